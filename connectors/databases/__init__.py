"""For connectors that ask a database: what differs between databases, and what a query may hold."""
