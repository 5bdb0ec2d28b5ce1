"""Tests of portal/hostile."""
