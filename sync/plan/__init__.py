"""What an answer would change: read once, matched, compared, confirmed and judged."""
