"""Graduation of a class: its review, its certificates and their collection."""
