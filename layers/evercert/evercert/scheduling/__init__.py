"""When certificates are due, and why."""
