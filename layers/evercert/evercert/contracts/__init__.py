"""Data types and protocols that the core and its adapters share."""
