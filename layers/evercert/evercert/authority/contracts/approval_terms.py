"""Approvals of certificate requests: their terms and the decisions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

DecidedStatus = Literal["pending_approval", "pending", "rejected"]


@dataclass(frozen=True)
class ApprovalTerms:
    """Conditions that end the wait of a request.

    The dates of a `movable` certificate begin with the last approval. `named_begin`: the client named notBefore.
    """

    needed: int
    until: datetime
    movable: bool
    named_begin: bool = False


@dataclass(frozen=True)
class Decision:
    """An approval or rejection; `by` is the id of an identity, or the ARN of an operator (origin `command`)."""

    by: str
    by_name: str
    at: datetime
    approved: bool
    reason: str = ""
    origin: Literal["api", "command"] = "api"


@dataclass(frozen=True)
class DueNotice:
    """An entry of the index of approvals to announce or to end."""

    request: str  # id
    due_at: str  # as stored
