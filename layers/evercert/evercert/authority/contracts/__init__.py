"""Ports and stored records of the authority."""
