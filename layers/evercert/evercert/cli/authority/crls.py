"""Revocation lists, made now by the front's own task; the schedule makes them every day anyway."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from evercert.cli import terminal
from evercert.errors import EvercertError, Unavailable

if TYPE_CHECKING:
    from evercert.authority.ca.definition import CA
    from evercert.cli.authority.connection import Opened


def published_first(found: Opened) -> None:
    """A list of each CA that signs and has none: verifiers look for it from its first certificate on."""
    try:
        missing = any(_signs(ca) and found.certificates.published(ca.id) is None for ca in found.estate.cas())
    except EvercertError as error:  # what was made is made, whatever this operator may read
        terminal.notes([f"whether every CA has a revocation list is unknown: {error}"])
        return
    if missing:
        made_now(found)


def made_now(found: Opened) -> bool:
    """What is revoked is revoked: the schedule lists it within a day, if the front cannot do so now."""
    from evercert.aws.clients import translated  # noqa: PLC0415 (AWS's library is slow to load)

    try:
        with translated("have the revocation lists made"):
            answer = found.clients.lambda_.invoke(
                FunctionName=found.connection.output("AuthorityFunction"), Payload=json.dumps({"task": "crl"}).encode()
            )
        if "FunctionError" in answer:
            raise Unavailable("the authority could not make every revocation list; its log says why")
    except EvercertError as error:
        terminal.notes([f"{error}; the schedule does it within a day"])
        return False
    return True


def _signs(ca: CA) -> bool:
    return ca.kind == "issuing" and ca.status != "pending"
