"""The stores of one process: the one place where databases are opened, and where stores are made on them."""
