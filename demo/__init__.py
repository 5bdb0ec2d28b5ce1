"""The demo university: invented, with four offices that have systems of their own."""
