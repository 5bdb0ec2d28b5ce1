"""Notifications: what people are told outside of the pages, in which words, by which channel, and when."""
