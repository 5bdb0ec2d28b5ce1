"""Requests, uploads, appeals, announcements and pending changes that people enter on the pages."""
