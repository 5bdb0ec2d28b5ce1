"""Processes that are killed, stopped, raced and starved of room: what they leave must be the old state or the new."""
