"""The stores of one process. Databases are opened only here."""
