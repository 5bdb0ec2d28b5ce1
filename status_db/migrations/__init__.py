"""The migrations of both databases, one numbered file each. They import nothing that can change later."""
