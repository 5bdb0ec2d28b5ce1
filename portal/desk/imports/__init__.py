"""An office's results as a sheet: read, checked, confirmed and taken back."""
