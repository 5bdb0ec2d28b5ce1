"""Modules that all packages share. They import no other package of the project."""
