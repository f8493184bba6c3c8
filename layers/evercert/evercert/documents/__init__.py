"""Documents that operators write."""
