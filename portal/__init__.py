"""The read-only pages."""
