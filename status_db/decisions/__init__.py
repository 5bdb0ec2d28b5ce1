"""Decisions, reviews and certificates: the only way in which people change an effective status."""
