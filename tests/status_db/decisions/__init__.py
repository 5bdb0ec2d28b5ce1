"""Tests of status_db/decisions."""
