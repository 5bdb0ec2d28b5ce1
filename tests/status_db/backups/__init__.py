"""Tests of status_db/backups."""
