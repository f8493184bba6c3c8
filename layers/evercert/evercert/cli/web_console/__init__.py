"""`evercert console`: connects the console's pages to the stack."""
