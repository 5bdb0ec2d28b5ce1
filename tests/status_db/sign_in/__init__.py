"""Tests of status_db/sign_in."""
