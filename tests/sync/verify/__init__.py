"""Tests of sync/verify."""
