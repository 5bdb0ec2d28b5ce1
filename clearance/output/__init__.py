"""What commands print: tables, JSON, grants as text, usage errors, slips and spot checks."""
