"""Profiles, applications and identities that operators configure, and the documents that define them."""
