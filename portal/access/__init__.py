"""Who may ask for a page, and the forms that only our own pages may send."""
