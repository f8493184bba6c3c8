"""Validation of whole paths (RFC 5280 §6.1): dates, path lengths, purposes, and the choice among paths."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from evercert.pki import der
from evercert.pki.path.validation import Path, validate
from tests.doubles.fakes import START
from tests.samples.certificates import private_key
from tests.samples.chains import Entity, dn, issue, leaf, patched, tlv, version_1

CLIENT, SERVER, EMAIL = "1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.4"
ROOT = issue(dn("Root", "Test Org"))
ISSUING = issue("Issuing", ROOT)
LEAF = leaf(ISSUING)
DAY = timedelta(days=1)


def judged(subject: Entity, *others: Entity, now: datetime = START, **settings: Any) -> Path:
    return validate(subject.certificate, [other.certificate for other in others], now, **settings)


def texts(path: Path) -> list[str]:
    return [str(fault) for fault in path.faults]


def path_of(path: Path) -> list[x509.Certificate]:
    return list(path.certificates)


def certificates(*entities: Entity) -> list[x509.Certificate]:
    return [entity.certificate for entity in entities]


def test_validate_accepts_a_chain_with_its_root() -> None:
    path = judged(LEAF, ISSUING, ROOT)
    assert (texts(path), path.anchored, path_of(path)) == ([], True, certificates(LEAF, ISSUING, ROOT))


def test_validate_accepts_a_chain_without_its_root() -> None:
    path = judged(LEAF, ISSUING)
    assert (texts(path), path.anchored, path_of(path)) == ([], False, certificates(LEAF, ISSUING))


@pytest.mark.parametrize("order", [(1, 0), (1, 0, 1, 0), (0, 0, 1)], ids=["reversed", "repeated", "twice"])
def test_validate_puts_the_chain_in_order(order: Sequence[int]) -> None:
    above = (ISSUING, ROOT)
    assert path_of(judged(LEAF, *(above[at] for at in order))) == certificates(LEAF, ISSUING, ROOT)


def test_validate_leaves_out_what_leads_nowhere() -> None:
    strangers = issue("Other"), issue("Issuing", issue("Root"))
    assert path_of(judged(LEAF, strangers[0], ISSUING, strangers[1], ROOT)) == certificates(LEAF, ISSUING, ROOT)


def test_validate_keeps_a_self_issued_link_certificate() -> None:
    """After a root's key change the new key is certified by the old one, under the same name (RFC 4210 §4.4)."""
    new = private_key("EC_prime256v1", 7)
    link = issue(ROOT.name, ROOT, key=new)
    issuing = issue("Issuing", link)
    last = leaf(issuing)
    path = judged(last, issuing, link, ROOT)
    assert (texts(path), path_of(path)) == ([], certificates(last, issuing, link, ROOT))


def test_validate_prefers_a_path_that_ends_with_a_root() -> None:
    older = issue("Older Root")
    cross = issue(ROOT.name, older, key=ROOT.key)
    assert path_of(judged(LEAF, ISSUING, cross, ROOT)) == certificates(LEAF, ISSUING, ROOT)
    assert path_of(judged(LEAF, ISSUING, cross)) == certificates(LEAF, ISSUING, cross)


def test_validate_takes_the_valid_one_of_two_paths() -> None:
    expired = issue("Issuing", ROOT, key=ISSUING.key, begins=-10 * DAY, lasts=DAY)
    assert path_of(judged(LEAF, expired, ISSUING, ROOT)) == certificates(LEAF, ISSUING, ROOT)


def test_validate_compares_names_by_section_7_1() -> None:
    issuing = issue("Issuing", ROOT, issuer_name=dn("ROOT", "test  org"))
    last = leaf(issuing)
    assert texts(judged(last, issuing, ROOT)) == []


def test_validate_accepts_a_teletex_name_of_a_ca() -> None:
    root = issue(dn("Root", "Mxller GmbH"))
    root = patched(root, root, b"\x0c\x0bMxller GmbH", b"\x14\x0bM\xfcller GmbH")
    issuing = issue("Issuing", Entity(root.certificate, root.key), issuer_name=dn("Root", "Mxller GmbH"))
    issuing = patched(issuing, root, b"\x0c\x0bMxller GmbH", b"\x14\x0bM\xfcller GmbH")
    path = judged(leaf(issuing), issuing, root)
    assert (texts(path), len(path.certificates)) == ([], 3)


@pytest.mark.parametrize("position", [0, 1, 2], ids=["leaf", "issuing", "root"])
@pytest.mark.parametrize(("begins", "lasts", "word"), [(-9, 8, "after"), (1, 9, "before")], ids=["ended", "ahead"])
def test_validate_refuses_any_certificate_outside_its_dates(position: int, begins: int, lasts: int, word: str) -> None:
    dates = [{"begins": begins * DAY, "lasts": lasts * DAY} if at == position else {} for at in range(3)]
    root = issue("Root", **dates[2])
    issuing = issue("Issuing", root, **dates[1])
    path = judged(leaf(issuing, **dates[0]), issuing, root, anchors=[root.certificate])
    (text,) = texts(path)
    assert f"it is not valid {word}" in text


EXPIRED_ROOT = issue("Old Root", begins=-9 * DAY, lasts=8 * DAY)


def test_validate_leaves_out_an_expired_root() -> None:
    """Clients have its successor, a certificate for the same name and key; anchors are judged by clients."""
    issuing = issue("Issuing", EXPIRED_ROOT)
    last = leaf(issuing)
    path = judged(last, issuing, EXPIRED_ROOT)
    assert (texts(path), path.anchored, path_of(path)) == ([], False, certificates(last, issuing))
    successor = issue("Old Root", key=EXPIRED_ROOT.key)
    assert texts(judged(last, issuing, anchors=[successor.certificate])) == []
    assert path_of(judged(last, issuing, EXPIRED_ROOT, successor)) == certificates(last, issuing, successor)


@pytest.mark.parametrize("settings", [{"ca": True}, {"anchors": [EXPIRED_ROOT.certificate]}], ids=["ca", "anchor"])
def test_validate_refuses_an_expired_root_of_an_import(settings: dict[str, Any]) -> None:
    issuing = issue("Issuing", EXPIRED_ROOT)
    subject = issue("Below", issuing) if "ca" in settings else leaf(issuing)
    (text,) = texts(judged(subject, issuing, EXPIRED_ROOT, **settings))
    assert "it is not valid after" in text


@pytest.mark.parametrize(
    "changes",
    [
        {"path_length": 0}, {"ca": False}, {"usages": ("crl_sign",)}, {"extended": (EMAIL,)},
        {"extensions": [(x509.NameConstraints([x509.DNSName("example.org")], None), True)]},
        {"extensions": [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)]},
    ],
    ids=["path length", "no CA", "key usage", "purpose", "name constraints", "critical extension"],
)  # fmt: skip
def test_validate_keeps_other_faults_of_an_expired_root(changes: dict[str, Any]) -> None:
    """They hold for its successor too."""
    root = issue("Old Root", begins=-9 * DAY, lasts=8 * DAY, **changes)
    middle = issue("Middle", root)
    issuing = issue("Issuing", middle)
    assert texts(judged(leaf(issuing), issuing, middle, root, purposes=[SERVER]))


def test_validate_refuses_a_root_that_is_not_yet_valid() -> None:
    root = issue("Root", begins=DAY)
    issuing = issue("Issuing", root)
    (text,) = texts(judged(leaf(issuing), issuing, root))
    assert "it is not valid before" in text


def test_validate_refuses_a_leaf_of_an_expired_root() -> None:
    (text,) = texts(judged(leaf(EXPIRED_ROOT), EXPIRED_ROOT))
    assert "certificate 'CN=Old Root'" in text and "it is not valid after" in text


def test_validate_keeps_other_faults_beside_an_expired_root() -> None:
    issuing = issue("Issuing", EXPIRED_ROOT, begins=-9 * DAY, lasts=8 * DAY)
    found = texts(judged(leaf(issuing), issuing, EXPIRED_ROOT))
    assert [text for text in found if "'CN=Issuing'" in text and "it is not valid after" in text]


def test_validate_ends_at_not_after_as_openssl_does() -> None:
    end = LEAF.certificate.not_valid_after_utc
    assert texts(judged(LEAF, ISSUING, ROOT, now=end - timedelta(seconds=1))) == []
    assert "not valid after" in texts(judged(LEAF, ISSUING, ROOT, now=end))[0]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"ca": None}, "it has no basic constraints"),
        ({"ca": False}, "its basic constraints lack CA:TRUE"),
        ({"usages": ("crl_sign",)}, "does not allow signing certificates"),
        ({"extended": (EMAIL,)}, "its extended key usage lacks"),
        ({"key": private_key("RSA_1024")}, "1024 bits"),
        (
            {"extensions": [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)]},
            "1.2.3.4",
        ),
    ],
    ids=["no-constraints", "not-a-ca", "no-cert-sign", "purpose", "weak-key", "critical"],
)
def test_validate_refuses_an_unusable_intermediate(changes: dict[str, Any], text: str) -> None:
    root = issue("Root")
    issuing = issue("Issuing", root, **changes)
    last = leaf(issuing, digest=hashes.SHA256())
    path = judged(last, issuing, root)
    assert text in "; ".join(texts(path))
    assert (path.faults_of_leaf(), len(path.faults_of_chain())) == ([], len(path.faults))


def test_validate_obeys_the_path_length() -> None:
    root = issue("Root")
    first = issue("First", root, path_length=0)
    second = issue("Second", first)
    assert "path length allows 0" in texts(judged(leaf(second), second, first, root))[0]
    assert texts(judged(leaf(first), first, root)) == []


def test_validate_obeys_the_path_length_of_the_root() -> None:
    root = issue("Root", path_length=0)
    issuing = issue("Issuing", root)
    assert "path length allows 0" in texts(judged(leaf(issuing), issuing, root))[0]


def test_validate_does_not_count_self_issued_for_path_length() -> None:
    root = issue("Root", path_length=0)
    link = issue("Root", root)
    assert texts(judged(leaf(link), link, root)) == []


def test_validate_refuses_a_broken_signature() -> None:
    forged = leaf(Entity(ISSUING.certificate, private_key("EC_prime256v1", 9)), authority_key=False)
    assert "no certificate of the chain issued it" in texts(judged(forged, ISSUING, ROOT))[0]


def test_validate_refuses_a_root_with_a_broken_signature() -> None:
    root = patched(ROOT, Entity(ROOT.certificate, private_key("EC_prime256v1", 9)), b"Test Org", b"Test Org")
    assert "its signature is invalid" in texts(judged(LEAF, ISSUING, root))[0]


def test_validate_refuses_a_self_signed_leaf_with_bad_signature() -> None:
    own = issue("www.example.com", ca=False, usages=("digital_signature",), extended=(SERVER,))
    assert texts(judged(own)) == []
    forged = patched(own, Entity(own.certificate, private_key("EC_prime256v1", 9)), b"www", b"www")
    assert "its signature is invalid" in "; ".join(texts(judged(forged)))


def test_validate_refuses_a_key_identifier_of_another_key() -> None:
    other = x509.AuthorityKeyIdentifier(b"other", None, None)
    last = leaf(ISSUING, authority_key=False, more=[(other, False)])
    assert "no certificate of the chain issued it" in texts(judged(last, ISSUING, ROOT))[0]


def test_validate_accepts_a_version_1_root() -> None:
    root = version_1(ROOT)
    assert root.certificate.version is x509.Version.v1
    assert texts(judged(LEAF, ISSUING, root)) == []


def test_validate_refuses_a_version_1_intermediate() -> None:
    issuing = version_1(ISSUING, ROOT)
    assert "no basic constraints" in texts(judged(LEAF, issuing, ROOT))[0]


def test_validate_requires_each_requested_purpose() -> None:
    issuing = issue("Issuing", ROOT, extended=(SERVER,))
    both = leaf(issuing, extended=(SERVER, CLIENT))
    assert texts(judged(both, issuing, ROOT)) == []
    (text,) = texts(judged(both, issuing, ROOT, purposes=[CLIENT]))
    assert "'CN=Issuing': its extended key usage lacks clientAuth; it allows serverAuth" in text
    mail = issue("Mail", ROOT, extended=(EMAIL, "1.2.3"))
    (text,) = texts(judged(leaf(mail, extended=None), mail, ROOT))
    assert "its extended key usage lacks clientAuth or serverAuth; it allows 1.2.3, emailProtection" in text


def test_validate_reports_strict_faults_only_on_request() -> None:
    last = leaf(ISSUING, authority_key=False)
    assert texts(judged(last, ISSUING, ROOT)) == []
    assert "no authority key identifier" in texts(judged(last, ISSUING, ROOT, strict=True))[0]


def test_validate_trusts_only_the_given_anchors() -> None:
    assert "none of the trusted" in texts(judged(LEAF, ISSUING, ROOT, anchors=[]))[0]
    assert texts(judged(LEAF, ISSUING, anchors=[ROOT.certificate])) == []
    assert texts(judged(LEAF, anchors=[ISSUING.certificate])) == []


def test_validate_names_certificates_that_it_cannot_parse() -> None:
    broken = patched(ISSUING, ROOT, bytes.fromhex("0603551d0e"), bytes.fromhex("0603551d0f"))
    (text,) = texts(judged(LEAF, broken))
    assert "no certificate of the chain issued it" in text
    assert "occurs twice" in text


def test_validate_ends_within_its_limits() -> None:
    """A hundred CAs of one name and key form a maze without a way out."""
    key = private_key("EC_prime256v1", 3)
    root = Entity(issue("Maze", key=key).certificate, key)
    maze = [issue("Maze", Entity(root.certificate, key), key=private_key("EC_prime256v1", at)) for at in range(40)]
    last = leaf(issue("Maze", key=private_key("EC_prime256v1", 99)), authority_key=False)
    assert judged(last, *maze).faults


def test_validate_reads_a_bounded_number_of_certificates() -> None:
    strangers = [issue(f"CA {at}") for at in range(50)]
    assert texts(judged(LEAF, ISSUING, ROOT, *strangers)) == []
    assert "51 certificates; only the first 50 are read" in texts(judged(LEAF, *strangers, ISSUING))[0]


def cross_signed(count: int) -> list[Entity]:
    """Return certificates of CAs that all certified each other."""
    keys = [private_key("EC_prime256v1", at) for at in range(count)]
    own = [issue(f"CA {at}", key=key) for at, key in enumerate(keys)]
    return [issue(one.name, other, key=one.key) for one in own for other in own if one is not other]


@pytest.mark.parametrize("count", [2, 5, 7])
@pytest.mark.parametrize("rooted", [True, False])
def test_validate_finds_its_way_through_cross_signed_cas(count: int, rooted: bool) -> None:
    pool = cross_signed(count)
    first = next(one for one in pool if one.name == dn("CA 0"))
    top = issue(dn(f"CA {count - 1}"), ROOT, key=private_key("EC_prime256v1", count - 1))
    last = leaf(first)
    path = judged(last, *pool, top, *([ROOT] if rooted else []))
    assert (texts(path), path.anchored) == ([], rooted)
    path = judged(last, *pool)
    assert texts(path) == []


@pytest.mark.parametrize("count", [20, 40])
def test_validate_prefers_the_certificate_of_a_ca_that_is_valid(count: int) -> None:
    key = private_key("EC_prime256v1", 3)
    expired = [issue("Issuing", ROOT, key=key, lasts=timedelta(hours=at + 1)) for at in range(count)]
    good = issue("Issuing", ROOT, key=key)
    last = leaf(good, begins=timedelta(days=-1))
    now = START + timedelta(days=2)
    assert path_of(judged(last, *expired, good, ROOT, now=now)) == certificates(last, good, ROOT)


def test_validate_needs_the_certificate_that_it_cannot_parse() -> None:
    """The unreadable certificate is the one that leads from the intermediate to the root."""
    low = issue("Low", ISSUING)
    last = leaf(low)
    broken = patched(ISSUING, ROOT, bytes.fromhex("0603551d0e"), bytes.fromhex("0603551d0f"))
    (text,) = texts(judged(last, low, broken, ROOT))
    assert "'CN=Low'" in text
    assert "that of 'CN=Issuing' is missing; another one cannot be parsed" in text


def with_algorithm(encoded: bytes, old: bytes, new: bytes) -> bytes:
    """Return a certificate whose two signature algorithm fields name another algorithm."""
    tbs, algorithm, signature = der.read(encoded).children(der.SEQUENCE)
    changed = tlv(0x30, tlv(0x06, new) + algorithm.content[len(old) + 2 :])
    parts = [changed if part.encoded == algorithm.encoded else part.encoded for part in tbs.children(der.SEQUENCE)]
    return tlv(0x30, tlv(0x30, b"".join(parts)) + changed + signature.encoded)


@pytest.mark.parametrize("kind", ["EC_prime256v1", "RSA_2048"])
def test_validate_accepts_a_root_with_an_old_signature(kind: str) -> None:
    """Clients do not verify the signature of a root, and `cryptography` can no longer verify these."""
    key = private_key(kind)
    root = issue("Old Root", key=key)
    old, new = {
        "EC_prime256v1": (bytes.fromhex("2a8648ce3d040302"), bytes.fromhex("2a8648ce3d0401")),
        "RSA_2048": (bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010104")),
    }[kind]
    encoded = root.certificate.public_bytes(serialization.Encoding.DER)
    changed = x509.load_der_x509_certificate(with_algorithm(encoded, old, new))
    last = leaf(Entity(root.certificate, key))
    path = validate(last.certificate, [changed], START)
    assert (texts(path), path.anchored) == ([], True)
