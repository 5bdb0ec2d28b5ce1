"""Tests of status_db."""
