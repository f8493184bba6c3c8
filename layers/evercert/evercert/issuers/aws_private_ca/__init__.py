"""Issuer for CAs of AWS Private CA."""
