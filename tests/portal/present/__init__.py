"""Tests of portal/present."""
