"""Certification paths (RFC 5280 §6): build them from any set of certificates, and validate them."""
