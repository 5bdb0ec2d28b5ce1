"""Tests of portal/page."""
