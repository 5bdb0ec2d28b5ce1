"""Tests of portal/desk."""
