"""Fakes for ACME issuers: accounts, answers and records of challenges, a web host, and a bench for one issuer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from evercert.acme.challenges import DNS_LABEL, HTTP_PATH, dns_value
from evercert.acme.jws import Signer
from evercert.aws.kms_signer import KMSSigner
from evercert.contracts.accounts import StoredAccount
from evercert.contracts.issuer import Issued, Request
from evercert.contracts.order_buckets import OrderLimit
from evercert.contracts.solver import Challenge, Presented
from evercert.deadline import CLOCK_TOLERANCE, Clock, Deadline
from evercert.errors import EvercertError, Rejected, Unavailable, Unexpected
from evercert.http_client.client import HTTPClient
from evercert.issuers.acme.issuer import Acme
from evercert.issuers.acme.settings import AcmeSettings
from evercert.issuers.context import AcmeContext, IssuerContext
from evercert.origins import Hosts
from evercert.pki.keys import PrivateKey
from evercert.schema import Model
from evercert.solvers.context import RegisteredSolvers, SolverContext
from evercert.timestamps import from_text, to_text
from tests.doubles.authority.kms import StrictSigningKMS
from tests.doubles.credential_reader import Vault
from tests.doubles.fakes import FakeSeal, HandClock, spec

MOST_STEPS = 60
LONGEST_SLEEP = timedelta(seconds=3)
PROPAGATION = timedelta(seconds=20)


def clock() -> datetime:
    """Return the real time: a server in another process has no other clock."""
    return datetime.now(UTC)


def no_kms(key: str) -> Signer:
    """Fail: the test has no account keys in KMS."""
    raise AssertionError(key)


@dataclass
class FakeAccounts:
    """Accounts in memory."""

    accounts: dict[str, StoredAccount] = field(default_factory=dict)

    def read(self, account_id: str) -> StoredAccount | None:
        return self.accounts.get(account_id)

    def create(self, account_id: str, sealed_key: str | None, kms_key: str | None = None) -> bool:
        if account_id in self.accounts:
            return False
        self.accounts[account_id] = StoredAccount(sealed_key, kms_key=kms_key)
        return True

    def register(self, account_id: str, account: StoredAccount) -> bool:
        changes = {"url": account.url, "contact": account.contact, "contacts": account.contacts}
        return self._change(account_id, account, "", **changes)

    def begin_key_change(self, account_id: str, account: StoredAccount, next_key: str) -> bool:
        return self._change(account_id, account, "next_key url", next_key=next_key)

    def finish_key_change(self, account_id: str, account: StoredAccount, url: str) -> bool:
        changes = {"sealed_key": account.next_key, "next_key": None, "url": url}
        return self._change(account_id, account, "next_key", **changes)

    def abandon_key_change(self, account_id: str, account: StoredAccount) -> bool:
        return self._change(account_id, account, "next_key", next_key=None)

    def mark_deactivated(self, account_id: str, account: StoredAccount, *, deactivated: bool) -> bool:
        return self._change(account_id, account, "", deactivated=deactivated)

    def replace(self, account_id: str, account: StoredAccount, sealed_key: str) -> bool:
        found = self.accounts.get(account_id)
        if found is None or not found.deactivated or found.sealed_key != account.sealed_key:
            return False
        self.accounts[account_id] = StoredAccount(sealed_key)
        return True

    def _change(self, account_id: str, account: StoredAccount, same: str, **changes: Any) -> bool:
        found = self.accounts.get(account_id)
        if found is None or any(
            getattr(found, name) != getattr(account, name) for name in f"sealed_key kms_key {same}".split()
        ):
            return False
        self.accounts[account_id] = replace(found, **changes)
        return True


@dataclass
class FakeOrderBuckets:
    """Token buckets in memory: when each one is full, and the last time that was given to a caller without a token."""

    full_at: dict[str, datetime] = field(default_factory=dict)
    queued_until: dict[str, datetime] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, account_id: str, limit: OrderLimit, now: datetime) -> datetime | None:
        with self.lock:
            full_at = max(self.full_at.get(account_id, now), now)
            if full_at > now + max(timedelta(hours=6), limit.span) + CLOCK_TOLERANCE:
                full_at = now + limit.span - limit.apart
            if full_at + limit.apart <= now + limit.span:
                self.full_at[account_id] = full_at + limit.apart
                return None
            free = full_at + limit.apart - limit.span
            last = self.queued_until.get(account_id)
            end = now + max(timedelta(days=1), limit.span)
            at = free if last is None or not free <= last <= end else last + limit.apart
            self.queued_until[account_id] = at
            return at


@dataclass
class FakeAnswers:
    """Answers of http-01 challenges and TXT records of dns-01, in memory: also the web and the DNS of every name."""

    clock: Clock = clock
    answers: dict[str, str] = field(default_factory=dict)
    expires: dict[str, datetime] = field(default_factory=dict)
    records: dict[str, set[str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    busy: int = 0  # deletions that fail first

    def put(self, token: str, answer: str, expires: datetime) -> None:
        if self.answers.get(token, answer) != answer:
            raise Rejected("the CA sent the token of another challenge")
        self.answers[token] = answer
        self.expires[token] = expires

    def delete(self, token: str, answer: str) -> None:
        if self.busy:
            self.busy -= 1
            raise Unavailable("the table is busy")
        if self.answers.get(token) == answer:
            del self.answers[token]

    def file(self, name: str, token: str) -> str | None:
        return self.answers.get(token)

    def texts(self, name: str) -> set[str]:
        return self.records.get(name, set())

    @property
    def left(self) -> list[str]:
        """The answers and records that are published now."""
        return [*self.answers, *(text for texts in self.records.values() for text in texts)]


class FakeDNS:
    """A solver for dns-01 whose records a CA finds 20 seconds later."""

    challenge_type = "dns-01"

    class Settings(Model):
        """No settings."""

    def __init__(self, settings: Settings, context: SolverContext) -> None:
        assert isinstance(context.answers, FakeAnswers)
        self._answers = context.answers

    def present(self, challenge: Challenge) -> Presented:
        self._texts(challenge).add(dns_value(challenge.key_authorization))
        until = self._answers.clock() + PROPAGATION
        return Presented(to_text(until), until)

    def look(self, challenge: Challenge, notes: str) -> Presented:
        until = from_text(notes)
        return Presented(notes, until if self._answers.clock() < until else None)

    def clean_up(self, challenge: Challenge, notes: str) -> None:
        self._texts(challenge).discard(dns_value(challenge.key_authorization))

    def check(self, name: str) -> None:
        pass

    def _texts(self, challenge: Challenge) -> set[str]:
        return self._answers.records.setdefault(f"{DNS_LABEL}.{challenge.name}", set())


@contextmanager
def web_host(answers: FakeAnswers, port: int) -> Iterator[None]:
    """Serve the answers at a port of loopback, as the web host of every name."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            token = self.path.removeprefix(HTTP_PATH)
            answers.asked.append(token)
            body = answers.answers.get(token)
            self.send_response(404 if body is None else 200)
            self.end_headers()
            self.wfile.write((body or "").encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class AcmeBench:
    """An ACME issuer of a new process; `settings` are those of its definition.

    With a hand-set clock, it never sleeps: waiting moves the clock. `waits` are the times between two steps.
    """

    def __init__(self, *, clock: Clock = clock, **settings: Any) -> None:
        self.clock = clock
        self.accounts, self.answers, self.seal, self.vault = FakeAccounts(), FakeAnswers(clock), FakeSeal(), Vault()
        self.buckets = FakeOrderBuckets()
        self.kms = StrictSigningKMS()
        self.clients: list[HTTPClient] = []
        self.waits: list[timedelta] = []
        self.settings = self.define(**settings)
        self.issuer = self.process()

    @staticmethod
    def define(name: str = "letsencrypt", **settings: Any) -> AcmeSettings:
        """Return the settings of the definition of an issuer, by default with the solver for http-01."""
        definition = {"solvers": [{"type": "http-01"}], **settings}
        return AcmeSettings.model_validate(definition, context={"issuer": name})

    def process(self) -> Acme:
        """Return the issuer as a new process opens it."""
        http = HTTPClient(Hosts([]), Deadline(self.clock), self.clock, self.sleep, local=True)
        self.clients.append(http)
        solvers = RegisteredSolvers(SolverContext(self.answers))
        acme = AcmeContext(
            self.accounts,
            self.seal,
            solvers,
            self.buckets,
            lambda key: KMSSigner(self.kms, key),  # type: ignore[arg-type]
        )
        self.context = IssuerContext(http, self.vault.credentials, None, self.clock, acme)  # type: ignore[arg-type]
        return self.open()

    def open(self) -> Acme:
        """Return the issuer as the same process opens it for another certificate."""
        context = self.context
        self.issuer = Acme(self.settings, lambda: context)
        return self.issuer

    def close(self) -> None:
        """Close the connections of every process."""
        for http in self.clients:
            http.close()

    def sleep(self, span: timedelta) -> None:
        """Wait, or move the clock."""
        if isinstance(self.clock, HandClock):
            self.clock.now += span
        else:
            time.sleep(span.total_seconds())

    def request(self, *names: str, algorithm: str = "EC_prime256v1", **more: Any) -> Request:
        """Return a request for a new key."""
        wanted = spec(attributes={"alt-names": list(names), **more})
        csr = PrivateKey.generate(algorithm).sign_csr(wanted.attributes)  # type: ignore[arg-type]
        return Request("web", wanted, csr, 1, "token", self.clock())

    def step(self, request: Request) -> Issued | Request:
        """Take the order one step further, and wait until the next one is due; return the request for it."""
        answer = self.issuer.issue(replace(request, now=self.clock()))
        if isinstance(answer, Issued):
            return answer
        wait = max(answer.retry_at - self.clock(), timedelta(0))
        self.waits.append(wait)
        self.sleep(wait if isinstance(self.clock, HandClock) else min(wait, LONGEST_SLEEP))
        return replace(request, handle=answer.handle)

    def refusal(self, *names: str) -> EvercertError:
        """Return the error of an order for these names: one line, which every log and mail may show."""
        try:
            self.finish(self.request(*names))
        except EvercertError as error:
            assert not isinstance(error, Unexpected)
            assert str(error).isprintable() and 20 < len(str(error)) < 1_000
            return error
        raise AssertionError("the order was not refused")

    def finish(self, request: Request, *, restart: bool = False) -> Issued:
        """Take an order to its end, as runs do; `restart`: each step in a new process."""
        for _ in range(MOST_STEPS):
            if restart:
                self.process()
            answer = self.step(request)
            if isinstance(answer, Issued):
                return answer
            request = answer
        raise AssertionError(f"no certificate after {MOST_STEPS} steps: {request.handle}")
