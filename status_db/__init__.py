"""The status database: pure values, tables, and one writer for each who may write."""
