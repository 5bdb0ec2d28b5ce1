"""Tests of sync/run."""
