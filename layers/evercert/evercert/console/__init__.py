"""The console: pages about a stack in a browser, served on the operator's machine with the operator's permissions."""
