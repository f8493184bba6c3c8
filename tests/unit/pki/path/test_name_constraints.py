"""Name constraints (RFC 5280 §4.2.1.10)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from evercert.pki.path.fields import Fields
from evercert.pki.path.name_constraints import NameConstraints
from tests.samples.chains import Entity, dn, issue, leaf, patched, tlv

ROOT = issue("Root")


def constrained(permitted: Sequence[x509.GeneralName] = (), excluded: Sequence[x509.GeneralName] = ()) -> Entity:
    value = x509.NameConstraints(list(permitted) or None, list(excluded) or None)
    return issue("Constrained", ROOT, extensions=[(value, True)])


def faults(ca: Entity, *below: Entity) -> list[str]:
    fields = [Fields(entity.certificate) for entity in below]
    return [text for _, text in NameConstraints().faults(Fields(ca.certificate), fields, fields[0])]


def dns(text: str) -> x509.DNSName:
    return x509.DNSName(text)


def network(text: str) -> x509.IPAddress:
    return x509.IPAddress(ipaddress.ip_network(text))


CASES = [
    ("dns:www.example.com", dns("example.com"), True),
    ("dns:example.com", dns("example.com"), True),
    ("dns:www.example.com", dns("EXAMPLE.com"), True),
    ("dns:www.notexample.com", dns("example.com"), False),
    ("dns:www.example.com", dns(".example.com"), True),
    ("dns:example.com", dns(".example.com"), False),
    ("dns:*.example.com", dns("example.com"), True),
    ("dns:*.example.com", dns("www.example.com"), False),
    ("ip:192.0.2.7", network("192.0.2.0/24"), True),
    ("ip:192.0.3.7", network("192.0.2.0/24"), False),
    ("ip:2001:db8::1", network("2001:db8::/32"), True),
    ("ip:2001:db9::1", network("2001:db8::/32"), False),
    ("ip:192.0.2.7", network("2001:db8::/32"), False),
    ("email:a@example.com", x509.RFC822Name("example.com"), True),
    ("email:a@sub.example.com", x509.RFC822Name("example.com"), False),
    ("email:a@sub.example.com", x509.RFC822Name(".example.com"), True),
    ("email:a@example.com", x509.RFC822Name("a@example.com"), True),
    ("email:A@example.com", x509.RFC822Name("a@example.com"), False),
    ("uri:https://www.example.com/x", x509.UniformResourceIdentifier("www.example.com"), True),
    ("uri:https://www.example.com/x", x509.UniformResourceIdentifier(".example.com"), True),
    ("uri:https://example.com/x", x509.UniformResourceIdentifier(".example.com"), False),
    ("uri:https://192.0.2.1/x", x509.UniformResourceIdentifier("example.com"), False),
    ("uri:https://example.com/x", x509.UniformResourceIdentifier(""), True),
]


@pytest.mark.parametrize(("name", "base", "within"), CASES)
def test_permitted_subtrees_admit_only_their_names(name: str, base: x509.GeneralName, within: bool) -> None:
    ca = constrained(permitted=[base])
    assert (faults(ca, leaf(ca, [name])) == []) is within


@pytest.mark.parametrize(
    ("name", "base", "within"), [case for case in CASES if "*" not in case[0] and "192.0.2.1/" not in case[0]]
)
def test_excluded_subtrees_refuse_their_names(name: str, base: x509.GeneralName, within: bool) -> None:
    ca = constrained(excluded=[base])
    assert (faults(ca, leaf(ca, [name])) != []) is within


def test_excluded_name_under_a_wildcard_refuses_the_wildcard() -> None:
    ca = constrained(excluded=[dns("www.example.com")])
    assert faults(ca, leaf(ca, ["dns:*.example.com"]))
    assert not faults(ca, leaf(ca, ["dns:*.example.org"]))


def test_excluded_wins_over_permitted() -> None:
    ca = constrained(permitted=[dns("example.com")], excluded=[dns("www.example.com")])
    assert faults(ca, leaf(ca)) == [
        "its DNS name 'www.example.com' is excluded by the name constraints of CN=Constrained"
    ]


def test_constraints_of_another_kind_do_not_apply() -> None:
    ca = constrained(permitted=[network("192.0.2.0/24")])
    assert faults(ca, leaf(ca)) == []


def test_directory_names_are_compared_by_section_7_1() -> None:
    ca = constrained(permitted=[x509.DirectoryName(dn("", "TEST  Org"))])
    assert faults(ca, leaf(ca, subject=dn("www", "Test Org"))) == []
    assert faults(ca, leaf(ca, subject=dn("www", "Other")))
    assert faults(ca, leaf(ca, subject=dn(""))) == []


def test_email_of_the_subject_is_constrained() -> None:
    ca = constrained(permitted=[x509.RFC822Name("example.com")])
    mail = x509.Name([x509.NameAttribute(NameOID.EMAIL_ADDRESS, "a@example.org")])
    assert faults(ca, leaf(ca, subject=mail))


def test_names_of_intermediates_are_constrained() -> None:
    ca = constrained(excluded=[dns("example.com")])
    below = issue("Below", ca, extensions=[(x509.SubjectAlternativeName([dns("ca.example.com")]), False)])
    assert faults(ca, leaf(below, ["dns:www.example.org"]), below)


def test_self_issued_intermediates_are_exempt() -> None:
    ca = constrained(permitted=[x509.DirectoryName(dn("", "Other"))])
    link = issue("Constrained", ca)
    assert faults(ca, leaf(link, subject=dn("")), link) == []


def test_unknown_kinds_are_refused_if_they_occur() -> None:
    other = x509.OtherName(x509.ObjectIdentifier("1.2.3.4"), b"\x0c\x01x")
    ca = constrained(excluded=[other])
    assert faults(ca, leaf(ca)) == []
    assert "cannot be checked" in faults(ca, leaf(ca, extensions=[(x509.SubjectAlternativeName([other]), False)]))[0]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\x82\x0bexample.com", b"\x82\x0b*xample.com"),
        (b"\x82\x0bexample.com", b"\x87\x0bexample.com"),
        (b"\x82\x0bexample.com", b"\x81\x0be@.mple.com"),
        (b"\x82\x0bexample.com", b"\xa4\x0bexample.com"),
    ],
)
def test_malformed_constraints_are_a_fault_of_the_ca(old: bytes, new: bytes) -> None:
    ca = patched(constrained(permitted=[dns("example.com")]), ROOT, old, new)
    assert "malformed" in faults(ca, leaf(ca))[0]


def test_empty_mailbox_covers_every_address() -> None:
    value = tlv(0x30, tlv(0xA1, tlv(0x30, tlv(0x81, b""))))
    ca = issue("Odd", ROOT, extensions=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.30"), value), True)])
    assert "'a@example.com' is excluded" in faults(ca, leaf(ca, ["email:a@example.com"]))[0]
    assert faults(ca, leaf(ca)) == []


@pytest.mark.parametrize("mask", ["ff00ff00", "00ffffff"])
def test_networks_need_a_contiguous_mask(mask: str) -> None:
    value = tlv(0x30, tlv(0xA0, tlv(0x30, tlv(0x87, bytes(4) + bytes.fromhex(mask)))))
    ca = issue("Odd", ROOT, extensions=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.30"), value), True)])
    assert "malformed IP address" in faults(ca, leaf(ca))[0]


def test_minimum_and_maximum_are_refused() -> None:
    value = tlv(0x30, tlv(0xA0, tlv(0x30, tlv(0x82, b"example.com") + tlv(0x80, b"\x01"))))
    ca = issue("Odd", ROOT, extensions=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.30"), value), True)])
    assert "have a minimum or a maximum" in faults(ca, leaf(ca))[0]


def test_comparisons_are_limited() -> None:
    ca = constrained(excluded=[dns(f"d{at}.example.com") for at in range(2_600)])
    names = [f"dns:h{at}.example.com" for at in range(100)]
    assert "comparisons" in faults(ca, leaf(ca, names))[0]
