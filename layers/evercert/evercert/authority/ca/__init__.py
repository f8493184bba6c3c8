"""Certificate authorities: definition, certificate builder, CRLs, ceiling, and keys in KMS."""
