"""Tests of status_db.seasons."""
