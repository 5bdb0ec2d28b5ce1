"""Tests of status_db/tables."""
