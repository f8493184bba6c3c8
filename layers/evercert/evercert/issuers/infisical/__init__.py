"""The issuer for the Infisical API."""
