"""Proposals from what a probe has read: pure functions, without a database and without a network."""
