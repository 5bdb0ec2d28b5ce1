"""What commands print: tables, JSON, grants in words, slips and spot checks."""
