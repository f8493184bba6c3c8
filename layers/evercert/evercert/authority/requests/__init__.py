"""Certificate requests: bodies, CSRs, defaults and the effective request."""
