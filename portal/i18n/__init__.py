"""The languages of the pages, and the domain's words in each."""
