"""Tests of portal/signin."""
