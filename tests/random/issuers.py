"""Issuers of a random schedule: a CA with revocation status, and a self-signed issuer that counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx

from evercert.contracts.issuer import Issued, OpenIssuer, Request, Status
from evercert.contracts.record import Facts
from evercert.documents.spec import Spec
from evercert.errors import Misconfigured, Unavailable
from evercert.issuers.self_signed import SelfSigned
from evercert.pki.keys import PrivateKey
from tests.doubles.scripted_ca import ScriptedCA, ScriptedIssuer
from tests.random.processes import Board, transport

ADDRESS = "https://ca.example"
ISSUERS = ("self", "ca", "other-ca")
LISTS = (("ca", "self"), ("ca", "other-ca"), ("other-ca", "self", "ca"))


class TalkingCA(ScriptedCA):
    """Answers status requests, and reports every request to `heard`."""

    def __init__(self, heard: Callable[[str], None]) -> None:
        super().__init__()
        self.heard = heard

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if path == "/status":
            return 200, {"revoked": body["serial_number"] in self.revoked}
        if path == "/issue":
            self.heard(body["token"])
        return super().answer(path, body)


class CheckedIssuer(ScriptedIssuer):
    """Client of the CA."""

    def status(self, wanted: Spec, facts: Facts) -> Status:
        return "revoked" if self._post("/status", {"serial_number": facts.serial_number})[1]["revoked"] else "good"


class CountedSelfSigned(SelfSigned):
    """Counts signatures by token."""

    def __init__(self) -> None:
        super().__init__(SelfSigned.Settings())
        self.signed: Counter[str] = Counter()

    def issue_with(self, request: Request, private_key: PrivateKey) -> Issued:
        self.signed[request.token] += 1
        return super().issue_with(request, private_key)


class Definitions:
    """Issuers that operators defined; an edit makes it another issuer."""

    def __init__(self, board: Board, heard: Callable[[str], None]) -> None:
        self.ca = TalkingCA(heard)
        self.self_signed = CountedSelfSigned()
        settings = CheckedIssuer.Settings(address=ADDRESS)
        client = _client(settings, transport(board, self.ca.transport()))
        self.known = dict(zip(ISSUERS, (self.self_signed, client, client), strict=True))
        self.editions = dict.fromkeys(self.known, 1)
        self.paused: set[str | None] = set()
        self.trouble: str | None = None

    def open(self, name: str, certificate: str | None = None) -> OpenIssuer:
        if self.trouble == "unavailable":
            raise Unavailable("the definitions do not answer", retry_after=timedelta(minutes=2))
        if self.trouble == "misconfigured":
            raise Misconfigured(f"issuer {name!r} is not defined")
        paused = bool(self.paused & {None, name})
        return OpenIssuer(self.known[name], f"{name} {self.editions[name]}", paused, name)


def _client(settings: ScriptedIssuer.Settings, over: httpx.MockTransport) -> CheckedIssuer:
    class OverThis(CheckedIssuer):
        transport = over

    return OverThis(settings)
