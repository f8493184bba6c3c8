"""The ACME server of the authority (RFC 8555)."""
