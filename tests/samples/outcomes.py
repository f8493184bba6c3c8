"""A sample outcome of a run."""

from __future__ import annotations

from typing import Any

from evercert.contracts.events import Outcome
from tests.doubles.fakes import START

UID = "6f1c1e9a-3a0e-4c3b-9f0a-2f6d1a7b8c9d"


def outcome(**changes: Any) -> Outcome:
    usual = {
        "name": "web", "uid": UID, "revision": 1, "number": 1, "type": "certificate.failed", "at": START, "issuer": "main",
        "severity": "warning", "data": {"message": "why"},
    }  # fmt: skip
    return Outcome.model_validate({**usual, **changes})
