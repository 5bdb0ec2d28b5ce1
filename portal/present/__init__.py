"""Values of the status database as the reader sees them: cards, lines, reasons and charts."""
