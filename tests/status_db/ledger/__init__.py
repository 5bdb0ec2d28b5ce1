"""Tests of status_db/ledger."""
