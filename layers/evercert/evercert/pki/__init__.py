"""X.509 keys, names, requests and certificates, without I/O."""
