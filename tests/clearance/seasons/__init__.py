"""Tests of clearance.seasons."""
