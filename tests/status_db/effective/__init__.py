"""Tests of status_db/effective."""
