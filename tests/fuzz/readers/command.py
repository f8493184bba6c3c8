"""Readers of the command: messages on the topic, the function's diagnosis, stored rows as it shows them, options."""

from __future__ import annotations

import io
import json
import random
import shlex
import tempfile
import threading
from contextlib import redirect_stderr, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import dns.rdata
from cryptography.hazmat.primitives.serialization import Encoding

from evercert import __version__
from evercert.acme.caa import Applicant
from evercert.aws.dynamodb import items
from evercert.aws.sns import SNSAnnouncer
from evercert.cli import arguments, event_stream, show, stack_version
from evercert.cli.authority import by_serial, ceiling_options, inventory, logins
from evercert.cli.authority.arguments import parse_issuing
from evercert.cli.console import Terminal
from evercert.cli.doctor.certificate_checks import parse_diagnosis
from evercert.cli.event_queue import plain_attributes
from evercert.cli.files import BadInput
from evercert.cli.infisical_agent.host import Gathered, Host, here
from evercert.cli.issuers import caa
from evercert.cli.issuers.dry_run import parse_checks, parse_identities
from evercert.contracts.events import EventType
from evercert.contracts.record import Record
from evercert.errors import EvercertError
from evercert.operations import summaries
from evercert.operations.escapes import quoted, unquoted
from tests.doubles.fakes import START
from tests.doubles.strict_aws import StrictSNS
from tests.fuzz.changes import changed_tree, mutated, mutated_text
from tests.fuzz.reader import Reader
from tests.fuzz.readers.authority_items import intent, setting
from tests.fuzz.readers.certificates import chain
from tests.fuzz.readers.items import Item, Table, changed
from tests.samples import authority as authority_samples
from tests.samples.outcomes import outcome
from tests.unit.aws.dynamodb.test_items import full

TYPED = (EvercertError, BadInput)  # `app.run` reports any other error as a bug


# -- messages and answers ---------------------------------------------------------------------------------------------
def messages() -> list[Any]:
    """Return messages of the topic: body, and attributes as SQS delivers them."""
    event = outcome().cloud_event("arn:stack")
    attributes = {"type": "certificate.issued", "labels": '["team=web"]'}
    return [[event, {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}]]


def changed_message(message: Any, chance: random.Random) -> tuple[str, Any]:
    """Return another body, as a tree or as text, with other values of the attributes."""
    body, attributes = message
    text = json.dumps(changed_tree(body, chance))
    if chance.random() < 0.3:
        text = chance.choice((mutated_text(text, chance), "[" * 10_000, '{"type":' * 2_000))
    values = {name: mutated_text(value["StringValue"], chance) for name, value in attributes.items()}
    return text, {name: {"StringValue": value} for name, value in values.items()}


def read_message(message: Any) -> None:
    """Show a message as `events` and `events --json` do."""
    body, attributes = message
    text = body if isinstance(body, str) else json.dumps(body)
    queue: Any = SimpleNamespace(messages=lambda span: [(text, plain_attributes(attributes))], stop=threading.Event())
    wanted = event_stream.Filter([], [*get_args(EventType)], [], {"team": "web"})
    for every in (wanted, event_stream.Filter([], [], [], {})):
        with redirect_stderr(io.StringIO()):
            found = list(event_stream.follow(queue, every, None))
        for event in found:
            assert show.event(event.body).plain.isprintable()
            _terminal().json(event.body)


def read_diagnosis(data: bytes) -> None:
    """Read an answer of the issuer function; show what it found."""
    for failed in (False, True):
        checks = parse_diagnosis(data, failed=failed)
        assert checks and all(check.found.isprintable() for check in checks)
        show.checks(_terminal(), checks)


def read_checks(data: bytes) -> None:
    """Read an answer of the issuer function to `issuer test`."""
    for failed in (False, True):
        checks = parse_checks(data, failed=failed)
        assert checks and all(f"{check.name}{check.found}".isprintable() for check in checks)
        show.checks(_terminal(), checks)
    assert all(domain.isprintable() for domain in parse_identities(data))


class Zone:
    """A resolver that finds one record in wire format."""

    def __init__(self, wire: bytes) -> None:
        self._wire = wire

    def resolve(self, *_: object, **__: object) -> list[Any]:
        return [dns.rdata.from_wire("IN", "CAA", self._wire, 0, len(self._wire))]


def read_caa(wire: bytes) -> None:
    """Check a name with this CAA record."""
    for name in ("www.example.com", "*.example.com"):
        for account in (None, "https://acme.example/acct/1"):
            found = caa.check(name, Applicant(["ca.example"], account, "dns-01"), Zone(wire))
            show.checks(_terminal(), [found])
            assert f"{found.found}{found.remedy}".isprintable()


def caa_records() -> list[bytes]:
    texts = [
        (0, b"issue", b"ca.example"),
        (128, b"issuewild", b"ca.example; accounturi=https://acme.example/acct/1; validationmethods=dns-01,http-01"),
        (128, b"future", b";"),
    ]
    return [bytes((flags, len(tag))) + tag + value for flags, tag, value in texts]


def dry_runs() -> list[bytes]:
    found = [
        {"check": "definition", "found": "valid", "problem": None},
        {"check": "name www.example.com", "found": "", "problem": "no zone; create it"},
    ]
    return [json.dumps({"checks": found, "caa_identities": ["ca.example"]}).encode()]


def diagnoses() -> list[bytes]:
    found = {"seal": None, "issuers": {"main": "is away"}, "certificates": {"web": ["secret is gone"]}}
    return [json.dumps(found).encode()]


def changed_diagnosis(data: bytes, chance: random.Random) -> bytes:
    """Return other JSON, or other bytes."""
    if chance.random() < 0.6:
        return json.dumps(changed_tree(json.loads(data), chance)).encode()
    return chance.choice((mutated(data, chance), b"[" * 10_000))


# -- stored rows ------------------------------------------------------------------------------------------------------
def read_listed(item: Item) -> None:
    """Show a stored record as `list`, `show` and `doctor` do."""
    record = items.read_record(item)
    console = _terminal()
    show.Listing(console, START).print([summaries.summary(record, START)])
    console.json(summaries.detail(record) if isinstance(record, Record) else summaries.unreadable_detail(record))


def read_history(item: Item) -> None:
    """Show a stored outcome as `history` does; publish it."""
    found = items.read_outcome(item)
    if found is not None:
        SNSAnnouncer(StrictSNS(), "topic", "arn:stack").announce(found)  # type: ignore[arg-type]
        show.history(_terminal(), [found])


def read_signed(item: Item) -> None:
    """Find a certificate of the ledger by its serial number, with and without a row of the front."""
    for known in (None, authority_samples.requested()):
        certificates = SimpleNamespace(certificate=lambda key: None, request=lambda key, known=known: known)
        authority: Any = SimpleNamespace(
            certificates=certificates,
            clients=SimpleNamespace(dynamodb=Table(item)),
            connection=SimpleNamespace(output=lambda key: "ledger"),
            configuration=setting().configuration,
        )
        with suppress(*TYPED):
            by_serial.find_certificate(authority, "01:aB")


def signed() -> list[Item]:
    return [intent(), intent() | {"der": {"B": _certificate()}}]


def _certificate() -> bytes:
    return chain()[2].certificate.public_bytes(Encoding.DER)


def read_version(text: str) -> None:
    """Compare the version of a stack in both directions; an equal one has no remedy."""
    found = stack_version.version_of({stack_version.OUTPUT: text})
    assert found is not None
    assert (stack_version.difference(found) is None) == (found == __version__)
    assert stack_version.difference(found, command=found) is None


# -- arguments and files ----------------------------------------------------------------------------------------------
def read_argument(text: str) -> None:
    """Read an argument in every way."""
    assert unquoted(*shlex.split(quoted(text))) == text
    profiles = SimpleNamespace(profiles=setting().configuration.profiles, projects=lambda: {"id": "shop"})
    reads: list[Any] = [
        lambda: arguments.name(text),
        lambda: arguments.stored_name(text),
        lambda: arguments.span(text),
        lambda: arguments.labels([text]),
        lambda: arguments.future(text, "--until", START),
        lambda: inventory._moment(text, "--expires-before", START),
        lambda: parse_issuing([text]),
        lambda: logins.universal_login(logins.create_secret(text, 1)[1], logins.parse_lockout(3, text, text)),
        lambda: logins.parse_principals([text]),
        lambda: logins.parse_grants(profiles, [text], [text]),
        *(lambda option=option: ceiling_options.parse_options({option: [text]}) for option in ceiling_options._RULES),
    ]
    for read in reads:
        with suppress(*TYPED):
            read()


def read_host_file(data: bytes) -> None:
    """Read a file that an agent document names."""
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(data)
        Gathered(Host({}, here().file)).file(file.name, ("auth",), "token")


def _terminal() -> Terminal:
    return Terminal(file=io.StringIO())


NAMES = (
    "web",
    '"we\\u0000b"',
    "team=web",
    "issuing-ec=EC_prime256v1",
    "arn:aws:iam::123456789012:role/x",
    "shop/tls-server",
    "10m",
)
LIMITS = ("*.example.com", "10.0.0.0/8", "spiffe://example.com/", "EC_prime256v1", "server_auth")

READERS = [
    Reader("message on the topic", messages, read_message, changed_message, TYPED, cost=2),
    Reader("diagnosis", diagnoses, read_diagnosis, changed_diagnosis, TYPED, cost=4),
    Reader("dry run of an issuer", dry_runs, read_checks, changed_diagnosis, TYPED, cost=4),
    Reader("CAA record", caa_records, read_caa, mutated, TYPED, cost=4),
    Reader("listed record", lambda: [full()], read_listed, changed, TYPED, cost=8),
    Reader("history", lambda: [items.outcome_item(outcome())], read_history, changed, TYPED, cost=4),
    Reader("signed certificate", signed, read_signed, changed, TYPED, cost=2),
    Reader("version of a stack", lambda: [__version__, "0.10.2"], read_version, mutated_text, TYPED),
    Reader("argument", lambda: [*NAMES, *LIMITS], read_argument, mutated_text, TYPED, cost=2),
    Reader("file of the host", lambda: [b"token\n", b"\xef\xbb\xbfx"], read_host_file, typed=TYPED, cost=4),
]  # fmt: skip
