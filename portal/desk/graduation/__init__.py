"""A class on its way out: review, certificates, and what is handed over."""
