"""Tests of clearance/files."""
