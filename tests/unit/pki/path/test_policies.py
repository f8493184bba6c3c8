"""Certificate policies that a CA requires (RFC 5280 §6.1.3 d to f, §6.1.5)."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509

from evercert.pki.path.validation import validate
from tests.doubles.fakes import START
from tests.samples.chains import Entity, issue, leaf, tlv

ONE, TWO, ANY = "1.2.3.4", "1.2.3.5", "2.5.29.32.0"
ROOT = issue("Root")
LACKS = "it lacks the certificate policy that a CA above it requires"


def policies(*oids: str) -> tuple[x509.ExtensionType, bool]:
    return x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(oid), None) for oid in oids]), False


def requires(certificates: int) -> tuple[x509.ExtensionType, bool]:
    return x509.PolicyConstraints(certificates, None), True


def faults(*path: Entity, **settings: Any) -> list[str]:
    subject, *others = (entity.certificate for entity in path)
    return [str(fault) for fault in validate(subject, others, START, **settings).faults]


def chain(above: list[Any], below: list[Any]) -> tuple[Entity, ...]:
    """Return a leaf, an issuing CA and the root; with the extensions of the CA, and of the leaf."""
    ca = issue("Issuing", ROOT, extensions=above)
    return leaf(ca, more=below), ca, ROOT


@pytest.mark.parametrize(
    ("above", "below", "valid"),
    [
        ([], [], True),
        ([policies(ONE)], [policies(TWO)], True),
        ([requires(0)], [], False),
        ([requires(0), policies(ONE)], [], False),
        ([requires(0), policies(ONE)], [policies(ONE)], True),
        ([requires(0), policies(ONE)], [policies(TWO)], False),
        ([requires(0), policies(ONE, TWO)], [policies(TWO)], True),
        ([requires(0), policies(ANY)], [policies(TWO)], True),
        ([requires(0), policies(ONE)], [policies(ANY)], True),
        ([requires(0), policies(ONE), (x509.InhibitAnyPolicy(0), True)], [policies(ANY)], False),
        ([requires(0)], [policies(ONE)], False),
        ([requires(1)], [], False),
        ([requires(2)], [], True),
        ([(x509.PolicyConstraints(None, 0), True)], [], True),
    ],
)
@pytest.mark.parametrize("rooted", [True, False])
def test_path_has_the_policy_that_a_ca_requires(above: list[Any], below: list[Any], valid: bool, rooted: bool) -> None:
    path = chain(above, below)
    found = faults(*(path if rooted else path[:2]))
    assert (found == []) is valid, found
    if not valid:
        assert LACKS in found[0]


def test_root_requires_nothing() -> None:
    root = issue("Strict", extensions=[requires(0)])
    assert faults(leaf(root), root) == []


def test_mapped_policies_are_not_judged() -> None:
    mapping = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.33"), tlv(0x30, b""))
    assert faults(*chain([requires(0), policies(ONE), (mapping, False)], [policies(TWO)])) == []


def test_self_issued_certificates_do_not_count() -> None:
    ca = issue("Issuing", ROOT, extensions=[requires(2)])
    link = issue("Issuing", ca)
    assert faults(leaf(link), link, ca, ROOT) == []


@pytest.mark.parametrize(("count", "valid"), [(0, False), (2, False), (3, True)])
def test_policy_that_our_leaves_lack_is_a_fault_of_the_ca(count: int, valid: bool) -> None:
    above = issue("Above", ROOT, extensions=[requires(count), policies(ONE)])
    ours = issue("Ours", above, extensions=[policies(ONE)])
    assert (faults(ours, above, ROOT, ca=True) == []) is valid


@pytest.mark.parametrize("oid", ["2.5.29.36", "2.5.29.54"])
def test_malformed_policy_extensions_are_a_fault(oid: str) -> None:
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), b"\x30\x05\x00")
    assert "malformed" in faults(*chain([(odd, False)], []))[0]
