"""Reading a JSON API page by page: every record once, or an error."""
