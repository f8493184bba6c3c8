"""Issuer for the Infisical API."""
