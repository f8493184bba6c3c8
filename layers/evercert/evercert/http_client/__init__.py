"""HTTPS to the servers of issuers; httpx is here alone, and loaded at the first call."""
