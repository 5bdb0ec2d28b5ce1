"""The migrations of both databases, each a file with its number. They import nothing that may change later."""
