"""CAA records of names, looked up at a name server on loopback."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import dns.resolver
import pytest

from evercert.acme.caa import Applicant
from evercert.cli.doctor.stack_checks import Check
from evercert.cli.issuers import caa
from tests.doubles.name_server import NameServer

US, ACCOUNT = "letsencrypt.org", "https://acme.example/acct/1"
APPLICANT = Applicant([US], ACCOUNT, "dns-01")
OURS, THEIRS = f'0 issue "{US}"', '0 issue "other.example"'
NAME = "www.shop.example.com"


@pytest.fixture
def server() -> Iterator[NameServer]:
    with NameServer({}) as started:
        yield started


def look(server: NameServer, name: str = NAME, applicant: Applicant = APPLICANT) -> Check:
    return caa.check(name, applicant, resolver(server))


def resolver(server: NameServer) -> Any:
    made = dns.resolver.Resolver(configure=False)
    made.nameservers, made.port = ["127.0.0.1"], server.port
    return made


def test_name_without_records_is_allowed(server: NameServer) -> None:
    assert look(server) == Check(f"CAA {NAME}", "ok", "no records: every CA may issue")
    assert server.asked == [f"{name}. CAA" for name in (NAME, "shop.example.com", "example.com", "com")]


def test_records_of_the_nearest_parent_count(server: NameServer) -> None:
    server.caa = {"example.com": [THEIRS], "shop.example.com": [OURS]}
    assert look(server) == Check(f"CAA {NAME}", "ok", "the records at shop.example.com allow it")
    assert "example.com. CAA" not in server.asked


def test_forbidden_name_has_record_place_and_remedy(server: NameServer) -> None:
    server.caa = {"example.com": [THEIRS]}
    assert look(server) == Check(
        f"CAA {NAME}",
        "failed",
        'forbidden by the record 0 issue "other.example" at example.com',
        'add there: 0 issue "letsencrypt.org"',
    )


def test_wildcard_is_looked_up_at_its_base(server: NameServer) -> None:
    server.caa = {NAME: [OURS, '0 issuewild ";"']}
    assert look(server).status == "ok"
    found = look(server, f"*.{NAME}")
    assert (found.name, found.status) == (f"CAA *.{NAME}", "failed")
    assert found.remedy == 'add there: 0 issuewild "letsencrypt.org"'
    assert not any("*" in asked for asked in server.asked)


def test_alias_has_the_records_of_its_target(server: NameServer) -> None:
    server.answers = {f"{NAME}.": "host.cdn.example."}
    server.caa = {"host.cdn.example": [THEIRS], "example.com": [OURS]}
    assert "at www.shop.example.com" in look(server).found
    server.caa = {"cdn.example": [THEIRS], "example.com": [OURS]}
    assert look(server).found == "the records at example.com allow it"  # not the parents of the target


@pytest.mark.parametrize(
    ("record", "status", "words"),
    [
        (f'0 issue "{US};accounturi={ACCOUNT}0"', "failed", f"the stack's account is {ACCOUNT}"),
        (f'0 issue "{US};validationmethods=http-01"', "failed", "to its validationmethods: dns-01"),
        ('128 future "x"', "failed", "remove it: CAs must refuse a critical tag"),
        (f'0 issue "{US};accounturi={ACCOUNT};validationmethods=dns-01"', "ok", ""),
    ],
    ids=["account", "method", "critical", "both"],
)
def test_remedy_fits_the_record(server: NameServer, record: str, status: str, words: str) -> None:
    server.caa = {NAME: [record]}
    found = look(server)
    assert found.status == status and words in found.remedy


def test_account_that_is_not_registered_is_a_warning(server: NameServer) -> None:
    server.caa = {NAME: [f'0 issue "{US};accounturi={ACCOUNT}"']}
    found = look(server, applicant=Applicant([US]))
    assert (found.status, found.found.endswith("names an account, and the stack has none yet")) == ("warning", True)
    assert found.remedy.endswith("evercert issuer show NAME")


@pytest.mark.parametrize("answer", ["SERVFAIL", "REFUSED", "silent", "garbage"])
def test_failed_lookup_is_unknown(server: NameServer, answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A parent that allows the CA does not help: a CA refuses the name too."""
    monkeypatch.setattr(caa, "LOOKUP_SECONDS", 0.3)
    server.answers, server.caa = {"shop.example.com.": answer}, {"example.com": [OURS]}
    found = look(server)
    assert found.status == "unknown" and found.found.startswith("cannot be looked up at this machine (")
    assert found.remedy == "check the DNS; a CA that cannot look up CAA refuses the name"


def test_lookups_of_a_name_have_a_limit(server: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caa, "SECONDS", 0.0)
    assert look(server).status == "unknown"
    assert server.asked == []


def test_silent_servers_are_given_up(server: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caa, "LOOKUP_SECONDS", 0.3)
    server.answers = {f"{NAME}.": "silent"}
    start = time.monotonic()
    assert look(server).status == "unknown"
    assert time.monotonic() - start < 2


def test_machine_without_servers_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver, "Resolver", missing)
    assert caa.check(NAME, APPLICANT).status == "unknown"


def test_hostile_records_are_printable(server: NameServer) -> None:
    server.caa = {NAME: ['0 issue "evil\\027[2J\\010.example"']}
    found = look(server)
    assert found.status == "failed" and found.found.isprintable()
