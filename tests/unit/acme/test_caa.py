"""CAA records: who may issue (RFC 8659), by which account and method (RFC 8657)."""

from __future__ import annotations

import pytest

from evercert.acme.caa import Applicant, CAARecord, obstacle, relevant

US = "letsencrypt.org"
ACCOUNT = "https://acme.example/acct/1"
APPLICANT = Applicant([US, "ca.example"], ACCOUNT, "dns-01")


def records(*texts: str) -> list[CAARecord]:
    """Parse records as zone files write them."""
    parts = [text.split(" ", 2) for text in texts]
    return [CAARecord(int(flags), tag, value.strip('"')) for flags, tag, value in parts]


def reason(*texts: str, wildcard: bool = False, applicant: Applicant = APPLICANT) -> str | None:
    found = obstacle(records(*texts), applicant, wildcard=wildcard)
    return None if found is None else found.reason


OURS, THEIRS, NONE = f'0 issue "{US}"', '0 issue "other.example"', '0 issue ";"'


@pytest.mark.parametrize(
    "texts",
    [
        (), (OURS,), (THEIRS, OURS), (NONE, OURS), ('0 issue "ca.example"',), (f'0 issue " {US} ; a=b"',),
        (f'0 ISSUE "{US.upper()}."',), (f'128 issue "{US}"',), ('0 iodef "mailto:x@example.com"',),
        ('0 unknown "x"',), ('0 issuewild ";"',), ('0 issuemail ";"',), ('128 iodef "mailto:x@example.com"', OURS),
    ],
)  # fmt: skip
def test_name_is_allowed(texts: tuple[str, ...]) -> None:
    assert reason(*texts) is None


@pytest.mark.parametrize(
    "texts",
    [(NONE,), (THEIRS,), ('0 issue ""',), ('0 issue "%%"',), ('0 issue "letsencrypt"',), (f'0 issue "a.{US}"',),
     (f'0 issue "; {US}"',), (f'0 issuewild "{US}"', THEIRS)],
)  # fmt: skip
def test_name_of_other_issuers_is_forbidden(texts: tuple[str, ...]) -> None:
    assert reason(*texts) == "issuer"


def test_unknown_critical_tag_forbids() -> None:
    assert reason(OURS, '128 future "x"') == reason('129 future "x"') == "critical"
    assert reason(OURS, '1 future "x"') is None


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((OURS,), None), ((f'0 issuewild "{US}"', NONE), None), (('0 issuewild ";"', OURS), "issuer"),
        ((THEIRS,), "issuer"), (('0 iodef "x"',), None),
    ],
    ids=["issue", "issuewild", "issuewild forbids", "issue forbids", "neither"],
)  # fmt: skip
def test_wildcard_uses_issuewild_first(texts: tuple[str, ...], expected: str | None) -> None:
    assert reason(*texts, wildcard=True) == expected


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (f"accounturi={ACCOUNT}", None), (f" accounturi = {ACCOUNT} ", None), (f"accounturi={ACCOUNT}0", "account"),
        (f"accounturi={ACCOUNT};accounturi={ACCOUNT}", "account"), ("accounturi=", "account"),
        ("validationmethods=dns-01", None), ("validationmethods=http-01,dns-01", None),
        ("validationmethods=http-01", "method"), ("validationmethods=", "method"),
        ("validationmethods=dns-01;validationmethods=dns-01", "method"),
        (f"accounturi={ACCOUNT};validationmethods=http-01", "method"), ("policy=ev", None),
    ],
)  # fmt: skip
def test_parameters_choose_account_and_method(parameters: str, expected: str | None) -> None:
    assert reason(f'0 issue "{US};{parameters}"') == expected
    assert reason(f'0 issue "{US};{parameters}"', OURS) is None


def test_unknown_account_is_uncertain() -> None:
    found = obstacle(records(THEIRS, f'0 issue "{US};accounturi={ACCOUNT}"'), Applicant([US]), wildcard=False)
    assert (found.reason, found.is_certain) == ("account", False)
    assert reason(f'0 issue "{US};validationmethods=http-01"', applicant=Applicant([US])) is None


def test_obstacle_is_the_record_of_the_ca() -> None:
    found = obstacle(records(THEIRS, f'0 issue "{US};validationmethods=http-01"'), APPLICANT, wildcard=False)
    assert str(found.record) == f'0 issue "{US};validationmethods=http-01"'


def test_relevant_records_have_one_tag() -> None:
    both = records(OURS, f'0 issuewild "{US}"')
    assert relevant(both, wildcard=True) == both[1:] and relevant(both, wildcard=False) == both[:1]
