"""Tests of portal/student."""
