"""Tests of the ceiling: each rule for leaves, broken one at a time; and of weak keys."""

from __future__ import annotations

from datetime import timedelta
from math import isqrt
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pydantic import ValidationError

from evercert.authority.ca.ceiling import MOST_NAMES, identifiers_of_common_name, problems, start_time_problem, within
from evercert.authority.ca.definition import Ceiling
from evercert.authority.ca.key_checks import key_weakness
from evercert.pki.identifiers import Identifier, parse
from evercert.pki.keys import public_bytes
from evercert.schema import first_problem
from tests.doubles.authority.ceremony import Ceremony, ceiling, leaf
from tests.doubles.fakes import START
from tests.samples.certificates import private_key

NARROW = ceiling(
    dns=("*.example.com", "example.org"),
    ip=("192.0.2.0/24", "2001:db8::/32"),
    email=("example.com",),
    uri=("spiffe://example.com/",),
    key_algorithms=("EC_prime256v1", "RSA_2048"),
    key_usages=("digital_signature", "key_encipherment"),
    extended_key_usages=("server_auth",),
    longest=timedelta(days=90),
)
EC, RSA = Ceremony("EC_prime256v1"), Ceremony("RSA_2048")


def found(ceremony: Ceremony = EC, within: Ceiling = NARROW, key: str = "", **changes: Any) -> list[str]:
    public_key = private_key(key or ceremony.algorithm).public_key()
    return problems(leaf(**changes), public_key, within, ceremony.issuing.current.x509)


def test_ceiling_allows_leaves_within_it() -> None:
    assert found() == []
    assert found(RSA, key_usages=("digital_signature", "key_encipherment")) == []
    assert found(RSA, hash="SHA512") == []
    assert found(EC, hash="SHA256") == []


@pytest.mark.parametrize(
    "name",
    [
        "dns:a.example.com", "dns:a.b.example.com", "dns:*.example.com", "dns:*.a.example.com", "dns:example.org",
        "ip:192.0.2.255", "ip:2001:db8::1", "email:me@example.com", "uri:spiffe://example.com/web",
    ],
)  # fmt: skip
def test_ceiling_allows_name(name: str) -> None:
    assert within(parse(name), NARROW)
    assert found(names=(parse(name),)) == []


@pytest.mark.parametrize(
    "name",
    [
        "dns:example.com", "dns:www.example.org", "dns:*.example.org", "dns:example.net", "dns:badexample.com",
        "dns:example.com.evil.net", "dns:localhost", "ip:192.0.3.0", "ip:2001:db9::1", "ip:::ffff:192.0.2.1",
        "email:me@www.example.com", "email:example.com@example.net", "uri:spiffe://example.com.evil.net/web",
        "uri:https://example.com/",
    ],
)  # fmt: skip
def test_ceiling_refuses_name_outside(name: str) -> None:
    assert not within(parse(name), NARROW)
    assert found(names=(parse(name),)) == [f"{parse(name)}: outside the CA's ceiling"]


def test_empty_ceiling_allows_no_names() -> None:
    nothing = Ceiling(dns=(), ip=(), email=(), uri=())
    names = ("dns:www.example.com", "ip:192.0.2.1", "email:me@example.com", "uri:spiffe://example.com/web")
    assert not any(within(parse(name), nothing) for name in names)
    assert all(within(parse(name), Ceiling(email=("*",))) for name in names)


@pytest.mark.parametrize(
    "name",
    [
        Identifier("dns", "*"), Identifier("dns", "WWW.example.com"), Identifier("dns", "a b.example.com"),
        Identifier("dns", "evil.net\0.example.com"), Identifier("dns", ""), Identifier("dns", "w*.example.com"),
        Identifier("ip", "192.0.2.1/24"), Identifier("email", "me.example.com"),
    ],
)  # fmt: skip
def test_ceiling_refuses_noncanonical_name(name: Identifier) -> None:
    """The wire format cannot carry such a name, but a caller in the same process could pass one."""
    (problem,) = problems(
        leaf().model_copy(update={"names": (name,)}),
        private_key("EC_prime256v1").public_key(),
        Ceiling(),
        EC.issuing.current.x509,
    )
    assert "not in canonical form" in problem


@pytest.mark.parametrize(
    ("common_name", "fits"),
    [
        ("www.example.com", True), ("WWW.Example.Com", True), ("example.org.", True), ("192.0.2.7", True),
        ("Web server", True), ("Jürgen Müller", True), ("spiffe://x", True), ("me@example.net", True),
        ("evil.net", False), ("EVIL.NET", False), ("evil.net.", False), ("192.0.3.7", False), ("2001:db9::1", False),
        ("localhost", False), ("*.evil.net", False), ("*.net", False), ("*", False), ("w*.example.com", False),
        ("bücher.net", False), ("_x.evil.net", False),
    ],
)  # fmt: skip
def test_ceiling_checks_common_names_that_look_like_hosts(common_name: str, fits: bool) -> None:
    problems_found = found(subject={"common_name": (common_name,)})
    assert (problems_found == []) == fits, problems_found


def test_common_name_identifiers() -> None:
    assert identifiers_of_common_name("www.example.com") == (parse("dns:www.example.com"),)
    assert identifiers_of_common_name("Web server") == ()
    assert identifiers_of_common_name("*.com") is None


SUBJECTS = [
    ({"common_name": ("x" * 65,)}, "1 to 64 characters"),
    ({"common_name": ("",)}, "1 to 64 characters"),
    ({"organization": ("x" * 65,)}, "1 to 64 characters"),
    ({"organizational_unit": ("x" * 65,)}, "1 to 64 characters"),
    ({"state": ("x" * 129,)}, "1 to 128 characters"),
    ({"locality": ("x" * 129,)}, "1 to 128 characters"),
    ({"country": ("DEU",)}, "1 to 2 characters"),
    ({"country": ("de",)}, "two capital letters"),
    ({"country": ("ÄÖ",)}, "two capital letters"),
    ({"domain_components": ("x" * 64,)}, "1 to 63 characters"),
    ({"domain_components": ("münchen",)}, "ASCII"),
    ({"organization": ("a\0b",)}, "unprintable characters"),
    ({"organization": ("a\nb",)}, "unprintable characters"),
    ({"organization": (" a",)}, "spaces around it"),
    ({"organization": ("a\u202eb",)}, "unprintable characters"),
    ({"organizational_unit": ("a",) * 21}, "21 values"),
]


@pytest.mark.parametrize(("subject", "message"), SUBJECTS)
def test_ceiling_refuses_subject_beyond_bounds(subject: dict[str, Any], message: str) -> None:
    assert any(message in problem for problem in found(subject=subject))


def test_ceiling_allows_subject_at_its_bounds() -> None:
    full = {
        "country": ("DE",),
        "domain_components": ("com", "x" * 63),
        "organization": ("ö" * 64,),
        "state": ("x" * 128,),
    }
    assert found(subject=full) == []
    assert found(subject={"common_name": ("a " + "ö" * 31,)}, names=()) == []
    assert found(subject={"organizational_unit": ("a",) * 20}) == []


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"names": tuple(parse(f"dns:{n}.example.com") for n in range(MOST_NAMES + 1))}, "too many alternative names: 101"),
    ({"names": (), "subject": {}}, "must have an alternative name or a common name"),
    ({"key": "EC_secp384r1"}, "EC_secp384r1: the CA's ceiling allows"),
    ({"key": "RSA_2048"}, "one key family"),
    ({"key": "Ed25519"}, "one key family"),
    ({"key": "EC_secp256k1"}, "unsupported key algorithm"),
    ({"key_usages": ("digital_signature", "key_encipherment")}, "EC keys do not encrypt"),
    ({"key_usages": ("non_repudiation",)}, "key usages non_repudiation: outside the CA's ceiling"),
    (
        {"extended_key_usages": ("server_auth", "client_auth")},
        "extended key usages client_auth: outside the CA's ceiling",
    ),
    ({"extended_key_usages": ("ocsp_signing",)}, "extended key usages ocsp_signing: outside the CA's ceiling"),
    (
        {"extended_key_usages": ("server_auth", "time_stamping")},
        "extended key usages time_stamping with server_auth: must be the only purpose (RFC 3161 §2.3)",
    ),
    (
        {"key_usages": ("key_agreement", "encipher_only", "decipher_only")},
        "each excludes the other (RFC 5280 §4.2.1.3)",
    ),
    ({"hash": "SHA384"}, "KMS supports SHA256"),
    ({"not_after": START + timedelta(days=90, seconds=1)}, "the CA's ceiling is 90d"),
    ({"not_after": START - timedelta(minutes=5)}, "notAfter is not after notBefore"),
    ({"not_before": START - timedelta(days=2), "not_after": START}, "notBefore is before the CA certificate's"),
]


@pytest.mark.parametrize(("changes", "message"), BROKEN)
def test_ceiling_names_the_broken_rule(changes: dict[str, Any], message: str) -> None:
    assert any(message in problem for problem in found(**changes)), found(**changes)


def test_leaf_cannot_outlive_its_ca() -> None:
    end = EC.issuing.current.x509.not_valid_after_utc
    wide = Ceiling(longest=timedelta(days=36_500))
    assert found(within=wide, not_after=end) == []
    (problem,) = found(within=wide, not_after=end + timedelta(seconds=1))
    assert "notAfter is after the CA certificate's" in problem


def test_ceiling_reports_all_problems() -> None:
    assert len(found(names=(parse("dns:evil.net"), parse("ip:10.0.0.1")), subject={"country": ("de",)})) == 3


@pytest.mark.parametrize(
    ("begins", "fits"),
    [
        (timedelta(0), True), (timedelta(days=-1), True), (timedelta(days=30), True),
        (timedelta(days=-1, seconds=-1), False), (timedelta(days=30, seconds=1), False),
    ],
)  # fmt: skip
def test_leaf_starts_near_the_request_time(begins: timedelta, fits: bool) -> None:
    problem = start_time_problem(leaf(not_before=START + begins, not_after=START + timedelta(days=90)), START)
    assert (problem is None) == fits


# -- keys -------------------------------------------------------------------------------------------------------------
def rsa_key(p: int, q: int, e: int = 65_537) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(e, p * q).public_key()


def test_key_weakness_accepts_strong_keys() -> None:
    assert key_weakness(private_key("RSA_2048").public_key()) is None
    assert key_weakness(ec.generate_private_key(ec.SECP256R1()).public_key()) is None


@pytest.mark.parametrize("exponent", [3, 17, 65_535, 2**256 + 1])
def test_key_weakness_finds_unusual_exponent(exponent: int) -> None:
    numbers = private_key("RSA_2048").private_numbers()
    assert "exponent" in (key_weakness(rsa_key(numbers.p, numbers.q, exponent)) or "")


def test_key_weakness_finds_weak_modulus() -> None:
    numbers = private_key("RSA_2048").private_numbers()
    assert "small factor" in (key_weakness(rsa_key(numbers.p, 751 * (2**1013 + 1))) or "")
    near = next(n for n in range(numbers.p + 2, numbers.p + 200_000, 2) if all(n % d for d in range(3, 752, 2)))
    assert "too close together" in (key_weakness(rsa_key(numbers.p, near)) or "")


def at_round(p: int, rounds: int) -> int:
    """Return a factor, without small divisors, whose product with p is factored in this Fermat round (first: 0)."""
    begin = p + isqrt(4 * p * (2 * rounds + 1)) // 2 * 2
    return next(q for q in range(begin, begin + 200_000, 2) if all(q % d for d in range(3, 752, 2)))


@pytest.mark.parametrize(("rounds", "broken"), [(0, True), (1, True), (50, True), (99, True), (100, False)])
def test_key_weakness_tries_100_fermat_rounds(rounds: int, broken: bool) -> None:
    p = private_key("RSA_2048").private_numbers().p
    assert ("too close together" in (key_weakness(rsa_key(p, at_round(p, rounds))) or "")) is broken


def test_even_exponent_does_not_parse() -> None:
    """A hand-made CSR could have one."""
    der = public_bytes(private_key("RSA_2048").public_key())
    assert der.endswith(b"\x02\x03\x01\x00\x01")
    with pytest.raises(ValueError, match="e must be odd"):
        serialization.load_der_public_key(der[:-1] + b"\x02")


def test_ceiling_refuses_weak_key() -> None:
    numbers = private_key("RSA_2048").private_numbers()
    key = rsa_key(numbers.p, numbers.q, 3)
    (problem,) = problems(leaf(), key, NARROW, RSA.issuing.current.x509)
    assert "exponent" in problem


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("ip", "10.0.0.1/8"), ("ip", "10.0.0.0/33"), ("ip", "example.com"), ("ip", ""),
        ("dns", ""), ("dns", "*example.com"), ("dns", "a.*.example.com"), ("dns", "Example.com"), ("dns", "example.com."),
        ("dns", "*.*"), ("dns", "*."), ("email", "me@example.com"), ("email", ".example.com"),
        ("uri", ""), ("uri", "spiffe"), ("uri", "spiffe://example.com"), ("uri", "https://*.example.com/"),
        ("uri", "spiffe:///web"), ("uri", "https://a b/"),
    ],
)  # fmt: skip
def test_ceiling_names_the_invalid_pattern(field: str, wrong: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Ceiling.model_validate(
            {field: ["*" if field in ("dns", "email") else "::/0" if field == "ip" else "a:b", wrong]}
        )
    assert first_problem(raised.value).startswith(f"{field}.1: ")


def test_ceiling_checks_ipv4_mapped_addresses_as_both() -> None:
    """Go's verifier treats an IPv4-mapped address as the IPv4 address."""
    all_of_ipv6 = ceiling(ip=("10.0.0.0/8", "::/0"))
    assert not within(parse("ip:::ffff:192.0.2.1"), all_of_ipv6)
    assert within(parse("ip:::ffff:10.0.0.1"), all_of_ipv6)


@pytest.mark.parametrize(
    "path", ["web/../admin", "web/..", "./web", "web/%2e%2E/admin", "web/.%2e/admin", "web/..%2fadmin", "web/..\\admin"]
)
def test_ceiling_refuses_uri_with_dot_segments(path: str) -> None:
    assert not within(Identifier("uri", f"spiffe://example.com/{path}"), NARROW)
    assert within(Identifier("uri", "spiffe://example.com/web..admin/.hidden?to=/../x"), NARROW)


def test_leaf_without_purpose_needs_any_purpose() -> None:
    assert found(within=ceiling(any_purpose=True), extended_key_usages=()) == []
    (problem,) = found(within=ceiling(any_purpose=False), extended_key_usages=())
    assert "allows every purpose" in problem


def test_ceiling_limits_common_name_bytes() -> None:
    """`cryptography` cannot build a longer one, and the request would stay pending indefinitely."""
    assert found(subject={"common_name": ("é" * 30 + " é",)}) == []
    (problem,) = found(subject={"common_name": ("é" * 31 + " é",)})
    assert "at most 64 bytes" in problem
