"""The authority's ports on AWS."""
