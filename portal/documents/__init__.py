"""Documents to print or to download: PDFs and workbooks."""
