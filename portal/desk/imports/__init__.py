"""Import of an office's results: read the sheet, check it, confirm it, undo it."""
