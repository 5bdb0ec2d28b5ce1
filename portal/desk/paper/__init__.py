"""Paper sheets: printed in advance, entered afterwards."""
