"""The marks: what the sync writes, and what it reads to plan a change."""
