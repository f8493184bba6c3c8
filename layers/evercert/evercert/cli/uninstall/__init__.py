"""Plan the removal of a stack and of everything that it leaves behind."""
