"""Notifications: what people are notified of outside of the pages, in which words, by which channel, and when."""
