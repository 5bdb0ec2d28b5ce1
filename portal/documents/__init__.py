"""Documents to print or to take along: PDFs and workbooks."""
