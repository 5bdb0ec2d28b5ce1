"""Tests of portal/staff."""
