"""The scheduler: when certificates are due, and why."""
