"""Validation of ACME challenges: the validator proves that a client controls a name."""
