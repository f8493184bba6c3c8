"""Doubles of what the authority needs, and a server of it to test against."""
