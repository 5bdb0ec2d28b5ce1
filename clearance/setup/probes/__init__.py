"""Probes: each reads a little of one office system, and keeps nothing open."""
