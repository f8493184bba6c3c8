"""The authority: a CA of one's own with profiles and policies, as pure as the package root."""
