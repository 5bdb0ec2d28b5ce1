"""Tests of connectors/databases."""
