"""Tests of clearance/commands."""
