"""What commands print: tables, JSON, grants as text, slips and spot checks."""
