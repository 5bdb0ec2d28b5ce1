"""Tests of portal/admin."""
