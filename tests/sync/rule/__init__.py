"""Tests of sync/rule."""
