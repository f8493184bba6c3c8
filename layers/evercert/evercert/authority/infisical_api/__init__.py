"""HTTP API, compatible with Infisical: enrollment, renewal, retrieval, revocation and their routes."""
