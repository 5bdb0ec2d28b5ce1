"""Decisions, reviews and certificates: the one way in which people change what counts."""
