"""Tests of status_db/queries."""
