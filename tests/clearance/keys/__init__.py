"""Tests of clearance.keys."""
