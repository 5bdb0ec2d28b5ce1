"""Tests of several institutions on one installation."""
