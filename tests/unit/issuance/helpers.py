"""Shared values of the tests of runs."""

from __future__ import annotations

from evercert.contracts.issuer import OpenIssuer
from evercert.issuers.self_signed import SelfSigned
from tests.doubles.fakes import Bench

SELF_SIGNED = OpenIssuer(SelfSigned(SelfSigned.Settings()), "self-signed")


def announced(bench: Bench) -> list[str]:
    """Return the types of the events so far."""
    return [outcome.type for outcome in bench.announcer.announced]
