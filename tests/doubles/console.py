"""The console beside a table and a queue in memory, with a client that has signed in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from html import unescape
from types import SimpleNamespace
from typing import Any

from starlette.testclient import TestClient

from evercert.console.app import application
from evercert.console.authority_service import (
    AuthorityRow,
    AuthorityTables,
    CAPlan,
    IssuanceChoices,
    IssuanceRequest,
    IssuedFiles,
    PendingRequest,
    WaitingRequest,
)
from evercert.console.document_service import DocumentPlan, InvalidInput
from evercert.console.services import Services
from evercert.console.session import Session
from evercert.contracts.record import Facts, Record
from evercert.contracts.spec_store import Change
from evercert.errors import EvercertError, Misconfigured, Rejected
from evercert.issuers import ISSUERS
from evercert.registry import Component
from tests.doubles.fakes import START, FakeQueue, FakeTable, spec

PORT = 8123
HOST = "8c1f2a6b0d3e4f57.localhost"
ORIGIN = f"http://{HOST}:{PORT}"
KEY = "-----BEGIN PRIVATE KEY-----\nMIGH\n"
UID = "8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44"


@dataclass
class FakeDocuments:
    """Accepts every document but those that contain `bad`."""

    applied: list[str] = field(default_factory=list)

    def plan(self, text: str) -> DocumentPlan:
        if "bad" in text:
            raise InvalidInput(["line 3: unknown key 'bad'"])
        return DocumentPlan(
            ("+ certificate web (create) → new certificate",), ("a note",), ("web",), empty="same" in text
        )

    def apply(self, text: str) -> DocumentPlan:
        found = self.plan(text)
        self.applied.append(text)
        return found


@dataclass
class FakeFeed:
    """Events of the test."""

    events: list[Mapping[str, Any]] = field(default_factory=list)

    def since(self, number: int) -> Sequence[tuple[int, Mapping[str, Any]]]:
        return [(index, event) for index, event in enumerate(self.events, 1) if index > number]


class FakeAuthorityDocuments(FakeDocuments):
    """Documents of the authority."""

    def text_of(self, profile: str) -> str:
        if profile != "shop/web":
            raise Rejected(f"unknown profile {profile}")
        return "version: authority/v1\nprofiles: [shop/web]\n"


@dataclass
class FakeIssuance:
    """Issues at once under `shop/web`; requests under `shop/waits` wait for an approval."""

    requests: list[IssuanceRequest] = field(default_factory=list)
    error: EvercertError | None = None
    expired: bool = False  # the login to AWS

    def choices(self) -> IssuanceChoices:
        if self.expired:
            raise Misconfigured("the AWS login has expired")
        return IssuanceChoices(["shop/waits", "shop/web"], {"i-1": "operators"})

    def issue(self, request: IssuanceRequest) -> IssuedFiles | PendingRequest:
        self.requests.append(request)
        if self.error is not None:
            raise self.error
        if request.ttl == "bad":
            raise InvalidInput(["ttl: invalid duration"])
        if request.profile == "shop/waits" and not request.request_id:
            return PendingRequest("r-7", needs_approval=True)
        return IssuedFiles("-----BEGIN CERTIFICATE-----\nMIIB\n", "4d", "" if request.csr else KEY)


@dataclass
class FakeAuthority:
    """One CA, one profile, one request that waits, and one certificate."""

    documents: FakeAuthorityDocuments = field(default_factory=FakeAuthorityDocuments)
    issuance: FakeIssuance = field(default_factory=FakeIssuance)
    decided: list[tuple[str, str, bool]] = field(default_factory=list)
    revoked: list[tuple[str, str]] = field(default_factory=list)
    text: str = "issuing-ec"

    def tables(self) -> AuthorityTables:
        return AuthorityTables("https://ca.example.com", [AuthorityRow(self.text, [("Kind", "issuing"), ("Ends", "2030")], "active")],
                               [AuthorityRow("shop/web", [("Policy", self.text)])])  # fmt: skip

    def waiting(self) -> Sequence[WaitingRequest]:
        return [WaitingRequest("r-1", [self.text], "shop/web", "ci", "2026-11-29T10:00:00Z", "", "0 of 1")]

    def decide(self, request: str, reason: str, *, approved: bool) -> str:
        if request != "r-1":
            raise Rejected(f"request {request}: not found")
        self.decided.append((request, reason, approved))
        return "approved" if approved else "rejected"

    def plan_ca(self, name: str, algorithm: str) -> CAPlan:
        if name == "root":
            raise Rejected("the name root is taken")
        return CAPlan((f"+ KMS key of CA {name}",), f"evercert authority init --issuing {name}={algorithm}")

    def issued(self, search: str, most: int) -> Sequence[Mapping[str, Any]]:
        if search == "*.com":
            raise Rejected("the search is too broad")
        return [{"id": "c-1", "names": [self.text], "serial_number": "4d", "not_before": "2026-11-01T00:00:00Z",
                 "not_after": "2027-11-01T00:00:00Z", "profile": "shop/web", "status": "active", "reasons": ["SUPERSEDED"]}]  # fmt: skip

    def chain(self, certificate: str) -> str:
        if certificate != "c-1":
            raise Rejected("unknown certificate")
        return "-----BEGIN CERTIFICATE-----\nMIIB\n"

    def revoke(self, certificate: str, reason: str) -> bool:
        self.revoked.append((certificate, reason))
        return True


class FakeDoctor:
    """Two checks, one of which fails."""

    def names(self) -> Sequence[str]:
        return ["stack", "queue"]

    def run(self, name: str) -> Sequence[Any]:
        good = SimpleNamespace(name="stack", status="ok", found="CREATE_COMPLETE", remedy="")
        bad = SimpleNamespace(name="queue", status="failed", found="is full", remedy="empty it")
        return [one for one in (good, bad) if one.name == name]


class FakeConsole:
    """Application, table and a client; `page` and `post` are requests of the browser that has signed in."""

    def __init__(self, **services: Any) -> None:
        self.table, self.queue, self.now = FakeTable(), FakeQueue(), START
        self.documents, self.feed = FakeDocuments(), FakeFeed()
        self.table.write_issuer("main", Component.model_validate({"type": "self-signed"}))
        self.session = Session(host=HOST)
        self.services = Services(
            stack="evercert", region="eu-central-1", specs=self.table, queue=self.queue, issuers=ISSUERS,
            clock=lambda: self.now, documents=self.documents, doctor=FakeDoctor(), events=self.feed, version="1.2.3",
        )  # fmt: skip
        self.services = replace(self.services, **services)
        self.app = application(self.services, self.session, PORT)
        self.client = TestClient(self.app, base_url=ORIGIN, follow_redirects=False)

    def sign_in(self) -> FakeConsole:
        assert self.client.get(f"/?token={self.session.token}").status_code == 200
        return self

    def page(self, path: str, **query: Any) -> Any:
        return self.client.get(f"{self.session.path}{path}", params=query)

    def text(self, path: str, **query: Any) -> str:
        answer = self.page(path, **query)
        assert answer.status_code == 200, answer.text
        return readable(answer.text)

    def post(self, path: str, csrf: str | None = None, origin: str | None = ORIGIN, **form: Any) -> Any:
        headers = {} if origin is None else {"Origin": origin}
        data = {"csrf": self.session.csrf if csrf is None else csrf, **form}
        return self.client.post(f"{self.session.path}{path}", data=data, headers=headers)

    def followed(self, answer: Any) -> str:
        """Follow the redirect after a form; return the text of the page."""
        assert answer.status_code == 303, answer.text
        return readable(self.client.get(answer.headers["location"]).text)

    def store(self, name: str, *, days: float | None = 30, **values: Any) -> Record:
        """Store a record; its certificate began 60 days ago and ends in `days` days."""
        record = Record(name=name, uid=UID, spec=values.pop("spec", None) or spec(name), generation=1)
        self.table.write([Change(record, None)], self.now + timedelta(days=60))
        if days is not None:
            values["facts"] = facts(self.now, days)
        self.table._set(name, {"state": "ready", **values})
        found = self.table.record(name)
        assert isinstance(found, Record), found
        return found


def facts(now: datetime, days: float) -> Facts:
    return Facts(
        revision=1, serial_number="0123456789abcdef", not_before=now - timedelta(days=60),
        not_after=now + timedelta(days=days), fingerprint_sha256="f" * 64, common_name="www.example.com",
        names=("dns:www.example.com",), obtained_at=now - timedelta(days=60),
    )  # fmt: skip


def readable(html: str) -> str:
    """Return the text of a page in one line, without elements."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", html))).strip()
