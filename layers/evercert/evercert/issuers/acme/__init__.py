"""Issuer for CAs with ACME (RFC 8555)."""
