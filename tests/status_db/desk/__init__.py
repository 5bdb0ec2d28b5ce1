"""Tests of status_db/desk."""
