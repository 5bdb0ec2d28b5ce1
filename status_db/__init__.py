"""The status database: pure values, tables, queries, and the writers of marks, decisions and accounts."""
