"""Tests of connectors/by_student."""
