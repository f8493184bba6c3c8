"""Wire objects of ACME (RFC 8555), used by the client and the server; no policy, no I/O."""
