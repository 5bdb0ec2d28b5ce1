"""The effective status of each step: decisions override findings, in Python and in SQL."""
