"""Backups of the status database, and the way back from one."""
