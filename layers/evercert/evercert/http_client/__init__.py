"""HTTPS client for issuers' servers; the only user of httpx, which is loaded at the first call."""
