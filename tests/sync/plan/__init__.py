"""Tests of sync/plan."""
