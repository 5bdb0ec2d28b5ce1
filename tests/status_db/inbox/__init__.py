"""Tests of status_db/inbox."""
