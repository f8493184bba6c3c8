"""What a profile allows (contract §D.2)."""

from __future__ import annotations

from evercert.model import Model


class Policy(Model):
    """No rules: nothing may be asked for."""
