"""Tests of status_db/store."""
