"""Name constraints and path length in CA certificates, judged by openssl; and ceilings that agree with them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from pydantic import ValidationError

from evercert.authority.ca.builder import CALimits, Issuer, IssuerURLs, serial_number, sign_ca_csr, sign_leaf
from evercert.authority.ca.constrained_names import ceiling_conflicts, constraints_of, name_problems, narrowed
from evercert.authority.ca.constraints import Constraints
from evercert.authority.ca.definition import Ceiling
from evercert.authority.ca.kms_key import kms_private_key
from evercert.errors import Misconfigured
from evercert.pki.identifiers import parse
from evercert.schema import first_problem
from tests.doubles.authority.ceremony import Ceremony, ceiling, leaf, name, pem
from tests.samples.certificates import private_key
from tests.tools.openssl import CheckFailed, verify
from tests.tools.pkilint import findings

LIMITS = Constraints.model_validate(
    {
        "permitted": {
            "dns": ["example.com"], "ip": ["10.0.0.0/8", "2001:db8::/32"], "email": ["example.com", ".example.org"],
            "uri": ["example.com", ".example.org"],
        },
        "excluded": {"dns": ["secret.example.com"], "ip": ["10.9.0.0/16"], "email": ["no.example.org"], "uri": []},
    }
)  # fmt: skip
NOW = datetime.now(UTC).replace(microsecond=0)  # openssl verifies against the real clock
LIMITED = Ceremony("EC_prime256v1", NOW, constraints=LIMITS)
ROOT_LIMITED = Ceremony("EC_prime256v1", NOW, root_limits=CALimits(1, LIMITS))
INSIDE = [
    "dns:example.com", "dns:www.example.com", "dns:*.www.example.com", "ip:10.1.2.3", "ip:2001:db8::1",
    "email:me@example.com", "email:me@mail.example.org", "uri:spiffe://example.com/web", "uri:https://a.example.org/",
]  # fmt: skip
OUTSIDE = [
    "dns:example.net", "dns:badexample.com", "dns:secret.example.com", "dns:a.secret.example.com", "ip:11.0.0.1",
    "ip:10.9.0.1", "ip:2001:db9::1", "email:me@www.example.com", "email:me@example.org", "email:me@no.example.org",
    "uri:spiffe://example.net/web", "uri:https://www.example.com/",
]  # fmt: skip


def signed(ceremony: Ceremony, *names: str, common_name: str = "") -> x509.Certificate:
    """Sign a leaf without the checks of the signer."""
    subject = {"common_name": (common_name,)} if common_name else {}
    fields = leaf(NOW, names=tuple(map(parse, names)), subject=subject)
    ca = ceremony.issuing
    key = kms_private_key(ceremony.keys, ca.key, ca.current.x509.public_key())  # type: ignore[arg-type]
    issuer = Issuer(ca.current.x509, IssuerURLs(), key)
    return sign_leaf(fields, private_key("EC_prime256v1").public_key(), serial_number(), issuer)


def judge(ceremony: Ceremony, certificate: x509.Certificate) -> bool:
    """Return whether openssl accepts a leaf."""
    issuing = ceremony.issuing.current
    try:
        return verify(pem(certificate), trusted=ceremony.root.current.certificate, chain=issuing.certificate) == "OK"
    except CheckFailed as error:
        assert "subtree violation" in str(error)
        return False


@pytest.mark.parametrize("ceremony", [LIMITED, ROOT_LIMITED], ids=["issuing", "root"])
@pytest.mark.parametrize("text", [*INSIDE, *OUTSIDE])
def test_name_problems_agree_with_openssl(ceremony: Ceremony, text: str) -> None:
    found = name_problems(leaf(NOW, names=(parse(text),), subject={}), ceremony.issuing)
    assert (found == []) == judge(ceremony, signed(ceremony, text)) == (text in INSIDE), found
    if found:
        assert "by the name constraints of" in found[0]


@pytest.mark.parametrize("common_name", ["www.example.com", "example.net", "Web 1", "11.0.0.1"])
def test_name_problems_read_hosts_in_common_names(common_name: str) -> None:
    found = name_problems(leaf(NOW, names=(), subject={"common_name": (common_name,)}), LIMITED.issuing)
    assert (found == []) == (common_name in {"www.example.com", "Web 1"}), found
    if common_name != "11.0.0.1":  # openssl compares DNS names only
        assert judge(LIMITED, signed(LIMITED, common_name=common_name)) == (found == [])


def test_name_problems_refuse_wildcards_over_an_excluded_name() -> None:
    """A wildcard covers the excluded name, although many clients compare only its own text."""
    assert name_problems(leaf(NOW, names=(parse("dns:*.example.com"),)), LIMITED.issuing)


def test_name_problems_compare_nothing_without_constraints() -> None:
    plain = Ceremony("EC_prime256v1", NOW)
    assert name_problems(leaf(NOW), plain.issuing) == []
    assert constraints_of(plain.issuing) == ()


def test_name_problems_refuse_malformed_constraints() -> None:
    malformed = x509.UnrecognizedExtension(x509.NameConstraints.oid, b"\x30\x03\x02\x01\x05")
    key = private_key("EC_prime256v1")
    builder = (
        x509.CertificateBuilder().subject_name(name("x")).issuer_name(name("x")).public_key(key.public_key())
        .serial_number(1).not_valid_before(NOW).not_valid_after(NOW).add_extension(malformed, critical=True)
    )  # fmt: skip
    installed = LIMITED.issuing.current.model_copy(update={"chain": pem(builder.sign(key, hashes.SHA256()))})
    broken = LIMITED.issuing.model_copy(update={"installed": (installed,)})
    with pytest.raises(Misconfigured, match="cannot check its name constraints: malformed name constraints"):
        name_problems(leaf(NOW), broken)


def test_name_problems_enforce_what_an_external_ca_left_out() -> None:
    plain = Ceremony("EC_prime256v1", NOW).issuing
    outside = plain.model_copy(update={"constraints": LIMITS, "parent": None})
    net = (parse("dns:www.example.net"),)
    assert name_problems(leaf(NOW, names=net), plain) == []
    assert name_problems(leaf(NOW, names=net), outside)
    assert name_problems(leaf(NOW), outside) == []


@pytest.mark.parametrize("ceremony", [LIMITED, ROOT_LIMITED], ids=["issuing", "root"])
def test_constraints_are_critical(ceremony: Ceremony) -> None:
    ca = ceremony.root if ceremony is ROOT_LIMITED else ceremony.issuing
    found = ca.current.x509.extensions.get_extension_for_class(x509.NameConstraints)
    assert found.critical
    assert found.value == LIMITS.extension()
    assert findings(ca.current.x509) == []


def test_path_lengths_are_written() -> None:
    def length(ca: Any) -> int | None:
        return ca.current.x509.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length

    assert (length(ROOT_LIMITED.root), length(ROOT_LIMITED.issuing)) == (1, 0)
    assert (length(LIMITED.root), length(LIMITED.issuing)) == (None, 0)


def test_csr_asks_for_the_constraints() -> None:
    key = kms_private_key(LIMITED.keys, LIMITED.issuing.key, LIMITED.issuing.current.x509.public_key())  # type: ignore[arg-type]
    request = sign_ca_csr(key, name("x"), LIMITS)
    assert request.extensions.get_extension_for_class(x509.NameConstraints).value == LIMITS.extension()


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("dns", "*.example.com"), ("dns", ".example.com"), ("dns", "EXAMPLE.com"), ("dns", ""), ("ip", "10.0.0.1/8"),
        ("ip", "x"), ("email", "me@example.com"), ("email", "*"), ("uri", "https://example.com/"), ("uri", "."),
    ],
)  # fmt: skip
def test_constraints_refuse(kind: str, text: str) -> None:
    for part in ("permitted", "excluded"):
        with pytest.raises(ValidationError) as raised:
            Constraints.model_validate({part: {kind: [text]}})
        assert "invalid" in first_problem(raised.value)


def test_constraints_require_a_name() -> None:
    with pytest.raises(ValidationError, match="must permit or exclude something"):
        Constraints()
    with pytest.raises(ValidationError, match=r"example\.com includes all names below it"):
        Constraints.model_validate({"permitted": {"dns": ["*.example.com"]}})


@pytest.mark.parametrize(
    ("entries", "conflicts"),
    [
        ({"dns": ("example.com", "*.example.com", "a.example.com", "*.a.example.com")}, []),
        ({"dns": ("*",)}, ["dns *: not permitted"]),
        ({"dns": ("*.com",)}, ["dns *.com: not permitted"]),
        ({"dns": ("badexample.com",)}, ["dns badexample.com: not permitted"]),
        ({"dns": ("secret.example.com", "*.secret.example.com")},
         ["dns secret.example.com: excluded", "dns *.secret.example.com: excluded"]),
        ({"ip": ("10.0.0.0/8", "10.0.0.0/9", "2001:db8:1::/48")}, []),
        ({"ip": ("0.0.0.0/0", "11.0.0.0/8", "10.9.1.0/24", "::/0")},
         ["ip 0.0.0.0/0: not permitted", "ip 11.0.0.0/8: not permitted", "ip 10.9.1.0/24: excluded", "ip ::/0: not permitted"]),
        ({"email": ("example.com", "*.example.org", "mail.example.org")}, []),
        ({"email": ("*", "*.example.com", "no.example.org")},
         ["email *: not permitted", "email *.example.com: not permitted", "email no.example.org: excluded"]),
        ({"uri": ("spiffe://example.com/", "https://a.example.org/x")}, []),
        ({"uri": ("spiffe://", "spiffe://example.net/", "urn:x")},
         ["uri spiffe://: not permitted", "uri spiffe://example.net/: not permitted", "uri urn:x: not permitted"]),
    ],
)  # fmt: skip
def test_ceiling_agrees_with_constraints(entries: dict[str, Any], conflicts: list[str]) -> None:
    found = ceiling_conflicts(
        ceiling(**{"dns": (), "ip": (), "email": (), "uri": (), **entries}), constraints_of(LIMITED.issuing)
    )
    assert [one.partition(" by the name constraints")[0] for one in found] == conflicts
    pending = LIMITED.issuing.model_copy(update={"installed": (), "constraints": LIMITS})
    assert len(ceiling_conflicts(ceiling(), constraints_of(pending))) == 4  # one name, two networks, one URI


def test_adjacent_networks_are_joined() -> None:
    halves = Constraints.model_validate({"permitted": {"ip": ["10.0.0.0/9", "10.128.0.0/9"]}})
    pending = LIMITED.issuing.model_copy(update={"installed": (), "constraints": halves})
    assert ceiling_conflicts(Ceiling(ip=("10.0.0.0/8",), dns=("*",)), constraints_of(pending)) == []


def test_ceiling_of_a_new_ca_is_narrowed() -> None:
    found = narrowed(Ceiling(), LIMITS.subtrees())
    assert (found.dns, found.ip) == (("example.com", "*.example.com"), ("10.0.0.0/8", "2001:db8::/32"))
    assert (found.email, found.uri) == ((), ("spiffe://example.com/",))
    assert ceiling_conflicts(found, constraints_of(LIMITED.issuing)) == []
    assert narrowed(Ceiling(), None) == Ceiling()
    dns = Constraints.model_validate({"permitted": {"dns": ["example.com"]}, "excluded": {"ip": ["0.0.0.0/0", "::/0"]}})
    assert narrowed(Ceiling(), dns.subtrees()).ip == ()
    assert narrowed(Ceiling(), dns.subtrees()).uri == Ceiling().uri
