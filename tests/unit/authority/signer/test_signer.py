"""Tests of the signing service: hostile orders, crashes and retries."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from evercert.authority.api_errors import Refusal
from evercert.authority.ca.builder import serial_number
from evercert.authority.ca.definition import CA, Ceiling, Installed
from evercert.authority.ca.signing_orders import CrlOrder, Intent, LeafOrder, Revoked
from evercert.authority.signer.signer import SigningService
from evercert.errors import Misconfigured, Unavailable
from evercert.pki.identifiers import parse
from evercert.pki.keys import public_bytes
from tests.doubles.authority.ceremony import ADDRESS, Ceremony, ceiling, csr, leaf, order, pem
from tests.doubles.authority.configuration import FakeConfiguration
from tests.doubles.authority.ledger import MemoryLedger
from tests.doubles.fakes import START, HandClock
from tests.samples.certificates import certificate, private_key
from tests.tools.openssl import openssl

SIGNS = "cannot sign the certificate"


class Died(BaseException):
    """Simulates the death of the process."""


@dataclass
class Calls:
    """Counts the signer's calls to its ports; dies before or after call number `at`."""

    at: int = 0
    after: bool = False
    names: list[str] = field(default_factory=list)

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*given: Any) -> Any:
            self.names.append(name)
            dies = len(self.names) == self.at
            if dies and not self.after:
                raise Died
            answer = call(*given)
            if dies:
                raise Died
            return answer

        return wrapped


class CountedPort:
    """A port with counted calls."""

    def __init__(self, inner: Any, calls: Calls) -> None:
        self._inner = inner
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        return self._calls.around(name, getattr(self._inner, name))


@dataclass
class Stage:
    ceremony: Ceremony = field(default_factory=Ceremony)
    clock: HandClock = field(default_factory=HandClock)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    serials: Callable[[], int] = serial_number

    def __post_init__(self) -> None:
        self.configuration = FakeConfiguration(self.ceremony.root, self.ceremony.issuing)
        self.kms = self.ceremony.kms
        self.kms.calls.clear()

    def signer(self, calls: Calls | None = None) -> SigningService:
        """Return a signer as a new process would create it."""
        counted = calls or Calls()
        return SigningService(
            CountedPort(self.configuration, counted),
            CountedPort(self.ledger, counted),
            CountedPort(self.ceremony.keys, counted),
            ADDRESS,
            self.clock,
            serials=self.serials,
        )

    def change(self, **changes: Any) -> CA:
        changed = self.ceremony.issuing.model_copy(update=changes)
        self.configuration.put(changed)
        return changed

    def refuses(self, asked: LeafOrder, message: str = SIGNS) -> None:
        """Assert that the signer refuses, signs nothing and records no intent."""
        before = dict(self.ledger.intents)
        with pytest.raises(Refusal, match=message) as caught:
            self.signer().leaf(asked)
        assert caught.value.status == 400
        assert self.kms.calls == []
        assert self.ledger.intents == before


@pytest.fixture
def stage() -> Stage:
    return Stage()


def read(der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(der)


# -- contents of certificates ----------------------------------------------------------------------------------------------------
def test_leaf_has_ordered_fields_and_ca_extensions(stage: Stage) -> None:
    asked = order(stage.ceremony.issuing)
    found = read(stage.signer().leaf(asked))
    ca = stage.ceremony.issuing.current
    found.verify_directly_issued_by(ca.x509)
    assert public_bytes(found.public_key()) == public_bytes(private_key("EC_prime256v1").public_key())
    assert found.not_valid_before_utc == START - timedelta(minutes=5)
    assert found.not_valid_after_utc == START + timedelta(days=90)
    critical = {type(extension.value).__name__: extension.critical for extension in found.extensions}
    assert critical == {
        "SubjectKeyIdentifier": False, "BasicConstraints": True, "KeyUsage": True, "ExtendedKeyUsage": False,
        "SubjectAlternativeName": False, "AuthorityKeyIdentifier": False, "CRLDistributionPoints": False,
        "AuthorityInformationAccess": False,
    }  # fmt: skip
    assert not found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = found.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_cert_sign, usage.crl_sign) == (True, False, False)
    (point,) = found.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    (access,) = found.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    base = f"{ADDRESS}/api/v1/cert-manager"
    assert point.full_name[0].value == f"{base}/crl/{asked.ca}/der"
    assert access.access_location.value == f"{base}/ca/internal/{asked.ca}/certificates/{ca.id}/der"


def test_time_stamping_is_critical(stage: Stage) -> None:
    stage.change(ceiling=ceiling(extended_key_usages=("time_stamping",)))
    found = read(stage.signer().leaf(order(stage.ceremony.issuing, extended_key_usages=("time_stamping",))))
    assert found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).critical  # RFC 3161 §2.3


def test_empty_subject_makes_names_critical(stage: Stage) -> None:
    found = read(stage.signer().leaf(order(stage.ceremony.issuing, subject={})))
    assert found.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical


def test_signer_ignores_subject_and_extensions_of_csr(stage: Stage) -> None:
    """Only the key and the proof of possession count."""
    key = private_key("EC_prime256v1")
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "evil.net")]))
        .add_extension(x509.BasicConstraints(ca=True, path_length=3), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("evil.net")]), critical=False)
    )
    text = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    found = read(stage.signer().leaf(order(stage.ceremony.issuing, csr=text)))
    assert b"evil.net" not in found.tbs_certificate_bytes
    assert not found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_serial_numbers_have_158_random_bits() -> None:
    serials = {serial_number() for _ in range(2_000)}
    assert len(serials) == 2_000
    assert {serial.bit_length() for serial in serials} == {159}
    assert {bit for bit in range(158) if len({serial >> bit & 1 for serial in serials}) == 1} == set()


@pytest.mark.parametrize("algorithm", ["EC_secp384r1", "EC_secp521r1", "RSA_2048"])
def test_signer_uses_the_hash_of_the_ca_key(algorithm: str) -> None:
    stage = Stage(Ceremony(algorithm))
    usual = {"EC_secp384r1": "sha384", "EC_secp521r1": "sha512", "RSA_2048": "sha256"}[algorithm]
    found = read(stage.signer().leaf(order(stage.ceremony.issuing)))
    assert found.signature_hash_algorithm.name == usual
    if algorithm == "RSA_2048":
        found = read(stage.signer().leaf(order(stage.ceremony.issuing, hash="SHA512")))
        assert found.signature_hash_algorithm.name == "sha512"


# -- hostile orders --------------------------------------------------------------------------------
BEYOND: list[dict[str, Any]] = [
    {"names": (parse("dns:evil.net"),)},
    {"names": (parse("ip:10.0.0.1"),)},
    {"names": (parse("email:me@example.com"),)},
    {"names": (parse("uri:https://example.com/"),)},
    {"subject": {"common_name": ("evil.net",)}},
    {"key": private_key("EC_secp384r1")},
    {"key": private_key("RSA_2048")},
    {"key_usages": ("non_repudiation",)},
    {"extended_key_usages": ("code_signing",)},
    {"not_after": START + timedelta(days=91)},
    {"not_after": START - timedelta(days=1)},
    {"names": (), "subject": {}},
    {"names": tuple(parse(f"dns:{n}.example.com") for n in range(101))},
    {"hash": "SHA512"},
]


@pytest.mark.parametrize("changes", BEYOND, ids="-".join)
def test_signer_refuses_leaf_beyond_ceiling(stage: Stage, changes: dict[str, Any]) -> None:
    own = ceiling(
        dns=("*.example.com",), ip=("192.0.2.0/24",), key_algorithms=("EC_prime256v1",),
        key_usages=("digital_signature",), longest=timedelta(days=90),
    )  # fmt: skip
    ca = stage.change(ceiling=own)
    stage.refuses(order(ca, **changes))
    stage.signer().leaf(order(ca))


def test_signer_uses_the_current_ceiling(stage: Stage) -> None:
    asked = order(stage.ceremony.issuing)
    stage.change(ceiling=ceiling(dns=()))
    stage.refuses(asked)


def test_signer_requires_a_ceiling(stage: Stage) -> None:
    ca = stage.change(ceiling=None)
    with pytest.raises(Misconfigured, match="has no ceiling"):
        stage.signer().leaf(order(ca))
    assert stage.kms.calls == []


def test_signer_never_signs_with_a_root(stage: Stage) -> None:
    root = stage.ceremony.root.model_copy(update={"ceiling": Ceiling()})
    stage.configuration.put(root)
    stage.refuses(order(root), "is a root")
    with pytest.raises(Refusal, match="is a root"):
        stage.signer().crl(crl_order(root))
    assert stage.kms.calls == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"status": "disabled"}, "is not active"),
        ({"status": "pending"}, "does not have a certificate installed"),
        ({"installed": ()}, "does not have a certificate installed"),
    ],
)
def test_signer_refuses_inactive_ca(stage: Stage, changes: dict[str, Any], message: str) -> None:
    stage.refuses(order(stage.change(**changes)), message)


def test_signer_refuses_unknown_ca(stage: Stage) -> None:
    stage.refuses(replace(order(stage.ceremony.issuing), ca="11111111-0000-4000-8000-000000000000"), "unknown CA")


def test_signer_refuses_expired_ca(stage: Stage) -> None:
    stage.clock.now = stage.ceremony.issuing.current.x509.not_valid_after_utc
    stage.refuses(order(stage.ceremony.issuing, stage.clock.now), "is expired")
    with pytest.raises(Refusal, match="is expired"):
        stage.signer().crl(crl_order(stage.ceremony.issuing, now=stage.clock.now))


def test_unsupported_ca_key_is_misconfigured(stage: Stage) -> None:
    """Such a CA can exist only by a manual edit; it signs neither leaves nor CRLs."""
    ca = stage.change(installed=(Installed(id="x", certificate=pem(certificate("Ed25519"))),))
    stage.clock.now = ca.current.x509.not_valid_before_utc
    for asked in (lambda signer: signer.leaf(order(ca)), lambda signer: signer.crl(crl_order(ca, now=stage.clock.now))):
        with pytest.raises(Misconfigured, match="unsupported key: must be RSA or EC"):
            asked(stage.signer())
    assert stage.ledger.intents == {}


def test_refused_crl_leaves_no_intent(stage: Stage) -> None:
    old = START.replace(year=1949)
    with pytest.raises(Refusal, match="before 1950"):
        stage.signer().crl(crl_order(stage.ceremony.issuing, Revoked(5, old)))
    assert stage.ledger.intents == {}


def test_unreadable_ca_does_not_block_others(stage: Stage) -> None:
    """A CA that cannot be read blocks no other."""
    ca = stage.ceremony.issuing
    stage.configuration.unreadable["unreadable"] = Misconfigured("it does not parse")
    assert stage.signer().leaf(order(ca))
    assert stage.signer().crl(crl_order(ca))
    for asked in (order(ca), crl_order(ca)):
        sign = stage.signer().leaf if isinstance(asked, LeafOrder) else stage.signer().crl
        with pytest.raises(Misconfigured, match="it does not parse"):
            sign(replace(asked, ca="unreadable"))  # type: ignore[arg-type]
    with pytest.raises(Refusal, match="the key of a CA"):
        stage.signer().leaf(order(ca, key=private_key("EC_prime256v1", 9_002)))


def test_signer_verifies_that_the_ca_key_signed(stage: Stage) -> None:
    """A CA record may have the ARN of another key: then KMS's signature does not verify."""
    ca = stage.change(key=stage.ceremony.root.key)
    with pytest.raises(Misconfigured, match="signature does not match the CA's public key"):
        stage.signer().leaf(order(ca))
    with pytest.raises(Misconfigured, match="signature does not match the CA's public key"):
        stage.signer().crl(crl_order(ca))
    assert stage.ledger.results == {}


@pytest.mark.parametrize("number", [1, 2], ids=["root", "issuing"])
def test_signer_refuses_key_of_a_ca(stage: Stage, number: int) -> None:
    stage.refuses(order(stage.ceremony.issuing, key=private_key("EC_prime256v1", 9_000 + number)), "the key of a CA")


def changed_csr() -> str:
    """Return a CSR that is signed with one key and contains another."""
    first, second = csr(private_key("EC_prime256v1", 1)), csr(private_key("EC_prime256v1", 2))

    def raw(text: str) -> bytes:
        return base64.b64decode("".join(text.splitlines()[1:-1]))

    one, two = raw(first), raw(second)
    key_one = public_bytes(private_key("EC_prime256v1", 1).public_key())
    key_two = public_bytes(private_key("EC_prime256v1", 2).public_key())
    assert key_one in one
    assert key_two in two
    body = base64.encodebytes(one.replace(key_one, key_two)).decode()
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{body}-----END CERTIFICATE REQUEST-----\n"


CSRS = {
    "another key than proved": changed_csr,
    "Ed25519": lambda: csr(private_key("Ed25519"), None),
    "RSA 1024": lambda: csr(private_key("RSA_1024")),
    "an unsupported curve": lambda: csr(private_key("EC_secp256k1")),
    "no CSR": lambda: "x",
    "nothing": lambda: "",
    "a certificate": lambda: pem(certificate()),
    "two": lambda: csr(private_key("EC_prime256v1")) * 2,
    "too long": lambda: csr(private_key("EC_prime256v1")) + " " * 20_000,
}


@pytest.mark.parametrize("what", CSRS)
def test_signer_refuses_csr_without_proof(stage: Stage, what: str) -> None:
    stage.refuses(order(stage.ceremony.issuing, csr=CSRS[what]()), "the CSR|of the CSR|cannot sign the certificate")


def test_refusal_lists_supported_key_algorithms(stage: Stage) -> None:
    stage.refuses(order(stage.ceremony.issuing, csr=CSRS["Ed25519"]()), "unsupported key of the CSR: must be RSA or EC")


def test_signer_refuses_csr_signed_with_sha1(stage: Stage) -> None:
    """OpenSSL still makes such CSRs on request."""
    key = private_key("EC_prime256v1").private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    text = openssl("req", "-new", "-sha1", "-key", "/dev/stdin", "-subj", "/CN=x", given=key.decode())
    stage.refuses(order(stage.ceremony.issuing, csr=text), "SHA-256, SHA-384 or SHA-512")


# -- idempotency -------------------------------------------------------------------------------------------------------------
def test_repeated_order_returns_same_certificate(stage: Stage) -> None:
    asked = order(stage.ceremony.issuing)
    first = stage.signer().leaf(asked)
    stage.clock.advance(days=3)
    assert stage.signer().leaf(asked) == first
    (intent,) = stage.ledger.intents.values()
    assert intent.serial_number == read(first).serial_number


@pytest.mark.parametrize(
    "changes",
    [
        {"leaf": leaf(names=(parse("dns:other.example.com"),))},
        {"leaf": leaf(not_after=START + timedelta(days=89))},
        {"leaf": leaf(extended_key_usages=("client_auth",))},
        {"csr": csr(private_key("EC_prime256v1", 5))},
        {"profile": "shop/other"},
    ],
    ids=["names", "end", "purpose", "key", "profile"],
)
def test_signer_refuses_other_leaf_under_known_id(stage: Stage, changes: dict[str, Any]) -> None:
    asked = order(stage.ceremony.issuing)
    stage.signer().leaf(asked)
    stage.kms.calls.clear()
    stage.refuses(replace(asked, **changes), "id already used for another certificate")


def test_signer_refuses_other_ca_under_known_id(stage: Stage) -> None:
    other = stage.ceremony.issuing.model_copy(update={"id": "22222222-0000-4000-8000-000000000000"})
    stage.configuration.put(other)
    asked = order(stage.ceremony.issuing)
    stage.signer().leaf(asked)
    stage.kms.calls.clear()
    stage.refuses(replace(asked, ca=other.id), "id already used for another certificate")


def test_other_csr_of_same_key_is_same_order(stage: Stage) -> None:
    asked = order(stage.ceremony.issuing)
    first = stage.signer().leaf(asked)
    retry = replace(asked, csr=csr(private_key("EC_prime256v1")))
    assert retry.csr != asked.csr
    assert stage.signer().leaf(retry) == first


@pytest.mark.parametrize("moved", [timedelta(days=1), timedelta(days=-31)], ids=["long ago", "far ahead"])
def test_leaf_with_distant_start_is_recorded_but_not_signed(stage: Stage, moved: timedelta) -> None:
    """The signer cannot read the ledger: it learns the time of an earlier intent by recording a new one."""
    asked = order(stage.ceremony.issuing)
    stage.clock.now += moved
    if moved < timedelta(0):
        asked = order(stage.ceremony.issuing, not_before=stage.clock.now + timedelta(days=30, seconds=1))
    for _ in range(2):
        with pytest.raises(Refusal, match="invalid notBefore: more than"):
            stage.signer().leaf(asked)
    assert stage.kms.calls == []
    assert list(stage.ledger.intents) == [asked.id]


def test_signer_never_reuses_a_serial_number(stage: Stage) -> None:
    taken, free = 2**158 + 1, 2**158 + 2
    stage.serials = iter([taken, taken, free]).__next__
    first, second = (read(stage.signer().leaf(order(stage.ceremony.issuing))) for _ in range(2))
    assert [first.serial_number, second.serial_number] == [taken, free]


def test_signer_gives_up_after_three_serial_numbers(stage: Stage) -> None:
    stage.serials = lambda: 2**158 + 1
    stage.signer().leaf(order(stage.ceremony.issuing))
    with pytest.raises(Unavailable, match="3 serial numbers in a row were already in use"):
        stage.signer().leaf(order(stage.ceremony.issuing))


STEPS = ["every_ca", "intend", "sign", "conclude"]


def test_signer_calls_ports_in_order(stage: Stage) -> None:
    calls = Calls()
    stage.signer(calls).leaf(order(stage.ceremony.issuing))
    assert calls.names == STEPS
    calls = Calls()
    stage.signer(calls).crl(crl_order(stage.ceremony.issuing))
    assert calls.names == STEPS


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, len(STEPS) + 1), ids=STEPS)
def test_signer_resumes_after_death_at_each_step(stage: Stage, at: int, after: bool) -> None:
    asked = order(stage.ceremony.issuing)
    with pytest.raises(Died):
        stage.signer(Calls(at, after)).leaf(asked)
    was = dict(stage.ledger.intents)
    assert (asked.id in was) == ((at, after) >= (2, True)), "an intent is recorded if and only if signing began"
    assert (asked.id in stage.ledger.results) == ((at, after) == (4, True))
    stage.clock.advance(hours=1)
    if not was:  # signing never began, and the same order is too late by now
        asked = order(stage.ceremony.issuing, stage.clock.now)
    first = stage.signer().leaf(asked)
    assert stage.signer().leaf(asked) == first
    (intent,) = stage.ledger.intents.values()
    assert intent.serial_number == read(first).serial_number
    assert json.loads(intent.says["leaf"])["names"] == ["dns:www.example.com"]
    assert list(stage.ledger.results.values()) == [first]


def test_intent_does_not_contain_the_csr(stage: Stage) -> None:
    asked = order(stage.ceremony.issuing)
    stage.signer().leaf(asked)
    assert asked.csr not in str(stage.ledger.intents)


def test_disabled_key_is_misconfigured_and_order_resumes(stage: Stage) -> None:
    asked = order(stage.ceremony.issuing)
    stage.kms.disabled.add(stage.ceremony.issuing.key)
    with pytest.raises(Misconfigured, match="DisabledException"):
        stage.signer().leaf(asked)
    stage.kms.disabled.clear()
    assert read(stage.signer().leaf(asked)).serial_number == stage.ledger.intents[asked.id].serial_number


# -- CRLs ------------------------------------------------------------------------------------------------------------
def crl_order(ca: CA, *revoked: Revoked, now: Any = START, **changes: Any) -> CrlOrder:
    return replace(CrlOrder(ca.id, 7, now, now + timedelta(days=7), revoked), **changes)


def test_crl_lists_revoked_certificates(stage: Stage) -> None:
    revoked = (Revoked(5, START - timedelta(days=1)), Revoked(2**158, START, "keyCompromise"))
    found = x509.load_der_x509_crl(stage.signer().crl(crl_order(stage.ceremony.issuing, *revoked)))
    assert found.is_signature_valid(stage.ceremony.issuing.current.x509.public_key())
    assert found.issuer == stage.ceremony.issuing.current.x509.subject
    assert found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 7
    assert {type(extension.value).__name__ for extension in found.extensions} == {"AuthorityKeyIdentifier", "CRLNumber"}
    assert [(one.serial_number, one.revocation_date_utc) for one in found] == [
        (one.serial_number, one.at) for one in revoked
    ]
    assert [len(one.extensions) for one in found] == [0, 1]
    reason = found[1].extensions.get_extension_for_class(x509.CRLReason).value
    assert reason.reason == x509.ReasonFlags.key_compromise


def test_crl_number_is_signed_once(stage: Stage) -> None:
    first = stage.signer().crl(crl_order(stage.ceremony.issuing))
    assert stage.signer().crl(crl_order(stage.ceremony.issuing, Revoked(5, START))) == first
    assert stage.signer().crl(crl_order(stage.ceremony.issuing, Revoked(5, START), number=8)) != first


def test_disabled_ca_still_signs_crls(stage: Stage) -> None:
    assert stage.signer().crl(crl_order(stage.change(status="disabled"), Revoked(5, START)))


ENTRY = Revoked(5, START)
LISTS: list[tuple[dict[str, Any], str]] = [
    ({"this_update": START - timedelta(hours=1, seconds=1)}, "more than an hour from now"),
    ({"this_update": START + timedelta(hours=1, seconds=1)}, "more than an hour from now"),
    ({"next_update": START}, "next_update"),
    ({"next_update": START + timedelta(days=10, seconds=1)}, "next_update"),
    ({"revoked": (ENTRY, ENTRY)}, "duplicate serial number"),
    ({"revoked": (Revoked(0, START),)}, "invalid serial number"),
    ({"revoked": (Revoked(2**160, START),)}, "invalid serial number"),
    ({"revoked": (Revoked(5, START + timedelta(seconds=1)),)}, "after this_update"),
    ({"revoked": (Revoked(5, START, "unspecified"),)}, "reasons"),
    ({"revoked": (Revoked(5, START, "removeFromCRL"),)}, "reasons"),
    ({"revoked": (Revoked(5, START, "boredom"),)}, "reasons"),
    ({"revoked": tuple(Revoked(n, START) for n in range(1, 50_002))}, "at most 50000"),
]


@pytest.mark.parametrize(("changes", "message"), LISTS, ids=[message for _, message in LISTS])
def test_signer_refuses_invalid_crl_order(stage: Stage, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(Refusal, match=message):
        stage.signer().crl(crl_order(stage.ceremony.issuing, **changes))
    assert stage.kms.calls == []
    assert stage.ledger.intents == {}


def test_signer_refuses_crl_number_in_use(stage: Stage) -> None:
    stage.ledger.intend(Intent("other", stage.ceremony.issuing.id, 7, "", START))
    with pytest.raises(Unavailable, match="use the next number"):
        stage.signer().crl(crl_order(stage.ceremony.issuing))
