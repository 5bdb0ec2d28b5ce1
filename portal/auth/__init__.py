"""Authentication and permissions: sessions, passwords, second factors, sign-in providers, and reading rights."""
