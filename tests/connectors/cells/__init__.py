"""Tests of connectors/cells."""
