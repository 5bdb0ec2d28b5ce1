"""A SELECT before it is sent: what it binds, whether it only reads, and how it is wrapped to ask about some rows."""
