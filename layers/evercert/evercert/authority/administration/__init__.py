"""Management of policies, profiles, applications and identities through the API."""
