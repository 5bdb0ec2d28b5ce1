"""What an answer would change: gathered in one read, then matched, compared, confirmed and judged."""
