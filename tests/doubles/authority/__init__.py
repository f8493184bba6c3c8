"""Doubles of the authority's ports, and a test server."""
