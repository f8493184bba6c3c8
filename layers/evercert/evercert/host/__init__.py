"""The agent on a host: it follows certificates of the stack, writes their files and runs hooks."""
