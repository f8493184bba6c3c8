"""What may be asked for: bodies and CSRs, profiles' defaults, policies, and the documents they are written in."""
