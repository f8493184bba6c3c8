"""Certificate policies: models, value patterns, presets and evaluation."""
