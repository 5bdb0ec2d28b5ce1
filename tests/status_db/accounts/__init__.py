"""Tests of status_db/accounts."""
