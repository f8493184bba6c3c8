"""Records of an outside observer during a storm: values of destinations, events, and the final state.

This folder shares no code with the package (tests/storm/test_independence.py), so that both cannot have one mistake.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SECRET, ACM = "secret", "acm"


@dataclass(frozen=True)
class Sighting:
    """A value that became current at a destination; `at` is the time in seconds since 1970 at which it was first seen."""

    name: str
    place: str
    at: float
    value: dict[str, str]


@dataclass(frozen=True)
class Issued:
    """A certificate that a CA signed, from the CA's own list."""

    issuer: str
    pem: str
    revoked: bool = False


@dataclass(frozen=True)
class Command:
    """One command of an operator with its exit code and its output; `changes` is the certificate that it changed."""

    arguments: tuple[str, ...]
    code: int
    output: str
    at: float
    changes: str = ""


@dataclass
class Final:
    """The state after the storm: items of the table, current values, and the time of reading."""

    at: float = 0.0
    items: list[dict[str, Any]] = field(default_factory=list)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    acm: dict[str, list[str]] = field(default_factory=dict)  # serial numbers by certificate
    dead_letters: int = 0


@dataclass
class History:
    """Everything that the invariants judge."""

    names: tuple[str, ...] = ()
    in_acm: frozenset[str] = frozenset()
    strikes: int = 0  # kills and freezes of function processes
    anchors: tuple[str, ...] = ()  # PEM of the roots; a self-signed certificate is its own
    self_signed: frozenset[str] = frozenset()  # names
    sightings: list[Sighting] = field(default_factory=list)
    events: list[str] = field(default_factory=list)  # bodies as received
    issued: list[Issued] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    unsettled: list[str] = field(default_factory=list)  # certificates that never came to rest after the storm
    final: Final = field(default_factory=Final)
