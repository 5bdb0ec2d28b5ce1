"""Tests of clearance/output."""
