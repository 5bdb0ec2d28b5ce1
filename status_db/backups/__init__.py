"""Backups of the status database, and their restore."""
