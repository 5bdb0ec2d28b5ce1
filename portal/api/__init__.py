"""The API: the content of the pages as JSON, read-only, for other programs."""
