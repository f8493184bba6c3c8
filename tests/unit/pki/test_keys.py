"""Tests of private keys: generation, signing, and no leaks of their value."""

import base64
import copy
import dataclasses
import json
import logging
import pickle
import traceback
from functools import cache

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID
from pydantic import ValidationError

from evercert.documents.spec import Attributes
from evercert.pki.algorithms import ALGORITHMS
from evercert.pki.certificate import Bundle, Chain
from evercert.pki.keys import SEALABLE_BYTES, PrivateKey, algorithm_of, family, public_bytes

DER = serialization.Encoding.DER
PKCS8 = serialization.PrivateFormat.PKCS8


@pytest.fixture(scope="module", params=ALGORITHMS)
def key(request):
    return PrivateKey.generate(request.param)


def attributes(**values):
    return Attributes.model_validate({name.replace("_", "-"): value for name, value in values.items()})


@cache
def key_material(private_key):
    """Return every secret part of the key in the forms in which it could leak."""
    inside = serialization.load_der_private_key(private_key.der(), None)
    if isinstance(inside, ed25519.Ed25519PrivateKey):
        secrets = [int.from_bytes(inside.private_bytes_raw())]
    else:
        numbers = inside.private_numbers()
        curve = isinstance(numbers, ec.EllipticCurvePrivateNumbers)
        secrets = [numbers.private_value] if curve else [numbers.d, numbers.p, numbers.q]
    der = private_key.der()
    body = [line for line in private_key.pem().splitlines() if "-----" not in line]
    return [
        "-----BEGIN",
        *body,
        base64.b64encode(der).decode()[:48],
        der.hex(),
        repr(der)[2:60],
        *map(str, secrets),
        *(f"{secret:x}" for secret in secrets),
    ]


def assert_shows_nothing(text, private_key):
    folded = text.lower()
    assert [part for part in key_material(private_key) if part.lower() in folded] == []


def test_leak_check_finds_a_leak(key):
    for leak in (key.pem(), key.der().hex(), repr(key.der()), repr(vars_of(key))):
        with pytest.raises(AssertionError):
            assert_shows_nothing(leak, key)


def vars_of(private_key):
    inside = serialization.load_der_private_key(private_key.der(), None)
    if isinstance(inside, ed25519.Ed25519PrivateKey):
        return int.from_bytes(inside.private_bytes_raw())
    numbers = inside.private_numbers()
    return getattr(numbers, "private_value", None) or numbers.d


@pytest.mark.parametrize(
    "show",
    [
        str,
        repr,
        "{}".format,
        "{!r}".format,
        "{!a}".format,
        "%s".__mod__,
        lambda value: f"{value}",
        lambda value: repr([value]),
    ],
    ids=["str", "repr", "format", "format !r", "format !a", "per cent", "f-string", "in a list"],
)
def test_key_never_prints_its_value(key, show):
    for value in (key, Bundle(Chain(()), key)):
        assert_shows_nothing(show(value), key)


def test_key_prints_its_public_fingerprint(key):
    assert repr(key) == repr(PrivateKey.from_der(key.der()))
    assert repr(key) != repr(PrivateKey.generate("EC_prime256v1"))


def test_key_in_a_dataclass_never_prints(key):
    holder = dataclasses.make_dataclass("Holder", [("bundle", object), ("private_key", object)])
    assert_shows_nothing(repr(holder(Bundle(Chain(()), key), key)), key)


@pytest.mark.parametrize(
    "take",
    [pickle.dumps, copy.copy, copy.deepcopy, json.dumps],
    ids=["pickle", "copy", "deepcopy", "json"],
)
def test_key_cannot_be_serialized(key, take):
    with pytest.raises(TypeError) as caught:
        take(key)
    assert_shows_nothing("".join(traceback.format_exception(caught.value)), key)


def test_bundle_cannot_be_serialized(key):
    bundle = Bundle(Chain(()), key)
    for take in (pickle.dumps, dataclasses.asdict, json.dumps):
        with pytest.raises(TypeError) as caught:
            take(bundle)
        assert_shows_nothing("".join(traceback.format_exception(caught.value)), key)
    assert_shows_nothing(json.dumps({"bundle": bundle}, default=str), key)


def test_key_has_no_attribute_dict(key):
    with pytest.raises(TypeError):
        vars(key)
    with pytest.raises(AttributeError):
        key.note = "x"


def test_key_is_absent_from_tracebacks(key):
    def fail(private_key, bundle):
        raise RuntimeError(f"could not use {private_key} of {bundle!r}")

    with pytest.raises(RuntimeError) as caught:
        fail(key, Bundle(Chain(()), key))
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert_shows_nothing("".join(told.format()), key)


def test_key_is_absent_from_log_lines(key, caplog):
    logging.getLogger("test").error("lost %s and %r", key, {"bundle": Bundle(Chain(()), key)})
    assert "lost <PrivateKey" in caplog.text
    assert_shows_nothing(caplog.text, key)


def test_key_error_never_quotes_the_key(key):
    with pytest.raises(ValueError) as caught:
        PrivateKey.from_der(key.der()[:-20])
    assert_shows_nothing("".join(traceback.format_exception(caught.value)), key)


def inside(private_key):
    return serialization.load_der_private_key(private_key.der(), None)


def test_key_generate_uses_the_algorithm(key):
    assert key.algorithm in ALGORITHMS
    found = inside(key)
    match key.algorithm:
        case "EC_prime256v1":
            assert found.curve.name == "secp256r1"
        case "EC_secp384r1":
            assert found.curve.name == "secp384r1"
        case "EC_secp521r1":
            assert found.curve.name == "secp521r1"
        case "Ed25519":
            assert isinstance(found, ed25519.Ed25519PrivateKey)
        case algorithm:
            assert algorithm == f"RSA_{found.key_size}"
            assert found.public_key().public_numbers().e == 65_537


def test_algorithm_is_derived_from_the_public_key(key):
    assert algorithm_of(inside(key).public_key()) == key.algorithm == PrivateKey.from_der(key.der()).algorithm


@pytest.mark.parametrize(
    "private",
    [
        pytest.param(lambda: ec.generate_private_key(ec.SECP224R1()), id="P-224"),
        pytest.param(lambda: ec.generate_private_key(ec.SECP256K1()), id="a curve of other uses"),
        pytest.param(lambda: rsa.generate_private_key(public_exponent=65_537, key_size=1024), id="RSA 1024"),
        pytest.param(ed448.Ed448PrivateKey.generate, id="Ed448"),
    ],
)
def test_algorithm_ignores_unsupported_keys(private):
    made = private()
    assert algorithm_of(made.public_key()) is None
    with pytest.raises(ValueError):
        PrivateKey.from_der(made.private_bytes(DER, PKCS8, serialization.NoEncryption()))


def test_algorithm_of_other_objects_is_none():
    assert algorithm_of(None) is None


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        ("EC_prime256v1", "EC"), ("EC_secp384r1", "EC"), ("EC_secp521r1", "EC"),
        ("RSA_2048", "RSA"), ("RSA_3072", "RSA"), ("RSA_4096", "RSA"), ("Ed25519", "Ed25519"),
    ],
)  # fmt: skip
def test_algorithm_families(algorithm, kind):
    assert family(algorithm) == kind


def test_key_signs_with_a_matching_hash(key):
    csr = x509.load_pem_x509_csr(key.sign_csr(attributes(common_name="a.example")).encode())
    strong = {"EC_secp384r1": "sha384", "EC_secp521r1": "sha512", "Ed25519": None}
    used = csr.signature_hash_algorithm
    assert (used and used.name) == strong.get(key.algorithm, "sha256")
    assert csr.is_signature_valid


DIGESTS = {"EC_secp384r1": hashes.SHA384(), "EC_secp521r1": hashes.SHA512()}  # SHA-256 for the others
OTHERS = {"RSA": "RSA_2048"}  # generated fast
DATA = b"signed data"


def verify(public, signature, digest, data=DATA):
    """Verify without evercert; raise InvalidSignature."""
    match public:
        case rsa.RSAPublicKey():
            public.verify(signature, data, padding.PKCS1v15(), digest)
        case ec.EllipticCurvePublicKey():
            public.verify(signature, data, ec.ECDSA(digest))
        case _:
            public.verify(signature, data)


def test_key_sign_verifies_with_the_matching_hash(key):
    public = inside(key).public_key()
    digest = DIGESTS.get(key.algorithm, hashes.SHA256())
    for data in (DATA, b"", bytes(range(256)) * 100):
        verify(public, key.sign(data), digest, data)


def test_key_sign_covers_data_hash_and_key(key):
    public, signature = inside(key).public_key(), key.sign(DATA)
    digest = DIGESTS.get(key.algorithm, hashes.SHA256())
    with pytest.raises(InvalidSignature):
        verify(public, signature, digest, DATA + b".")
    with pytest.raises(InvalidSignature):
        verify(PrivateKey.generate(OTHERS.get(family(key.algorithm), key.algorithm)).public_key, signature, digest)
    if key.algorithm == "Ed25519":
        return  # without a choice of hashes
    for other in (hashes.SHA256(), hashes.SHA384(), hashes.SHA512()):
        if other.name != digest.name:
            with pytest.raises(InvalidSignature):
                verify(public, signature, other)


def test_key_sign_agrees_with_its_public_key(key):
    again = PrivateKey.from_der(key.der())
    verify(key.public_key, again.sign(DATA), DIGESTS.get(key.algorithm, hashes.SHA256()))


def test_key_sign_formats(key):
    """RSA has the length of the modulus, ECDSA is a DER sequence of two integers, Ed25519 has 64 bytes (RFC 8032)."""
    signature = key.sign(DATA)
    match family(key.algorithm):
        case "RSA":
            assert len(signature) * 8 == inside(key).key_size
            assert signature == key.sign(DATA)
        case "EC":
            assert encode_dss_signature(*decode_dss_signature(signature)) == signature
        case _:
            assert len(signature) == 64


def test_key_generate_never_repeats():
    assert PrivateKey.generate("EC_prime256v1").der() != PrivateKey.generate("EC_prime256v1").der()


def test_key_round_trips_through_der(key):
    again = PrivateKey.from_der(key.der())
    assert (again.der(), again.pem(), again.public_bytes()) == (key.der(), key.pem(), key.public_bytes())


def test_key_fits_into_the_kms_limit(key):
    assert len(key.der()) <= SEALABLE_BYTES == 4096


def test_key_pem_is_unencrypted_pkcs8(key):
    assert key.pem().startswith("-----BEGIN PRIVATE KEY-----\n")
    read = serialization.load_pem_private_key(key.pem().encode(), None)
    assert public_bytes(read.public_key()) == key.public_bytes()


@pytest.mark.parametrize(
    "der",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"not a key", id="no DER"),
        pytest.param(
            ed448.Ed448PrivateKey.generate().private_bytes(DER, PKCS8, serialization.NoEncryption()), id="Ed448"
        ),
        pytest.param(
            ec.generate_private_key(ec.SECP256R1()).private_bytes(
                DER, PKCS8, serialization.BestAvailableEncryption(b"x")
            ),
            id="encrypted",
        ),
    ],
)
def test_key_refuses_unsupported_der(der):
    with pytest.raises(ValueError):
        PrivateKey.from_der(der)


def test_sign_csr_has_exactly_the_names(key):
    asked = attributes(
        common_name="www.example.com",
        alt_names=["*.example.com", "ip:2001:db8::1", "uri:spiffe://example.org/web", "ops@example.com"],
    )
    csr = x509.load_pem_x509_csr(key.sign_csr(asked).encode())
    assert csr.is_signature_valid
    assert public_bytes(csr.public_key()) == key.public_bytes()
    assert csr.subject.rfc4514_string() == "CN=www.example.com"
    names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert list(names.value) == [name.general_name() for name in asked.identifiers]
    assert len(list(names.value)) == 5
    assert not names.critical


def test_sign_csr_names_are_critical_without_subject(key):
    """RFC 5280 §4.2.1.6."""
    csr = x509.load_pem_x509_csr(key.sign_csr(attributes(alt_names=["a.example"])).encode())
    assert list(csr.subject) == []
    assert csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical


def test_sign_csr_names_are_not_critical_with_subject():
    key = PrivateKey.generate("Ed25519")
    csr = x509.load_pem_x509_csr(key.sign_csr(attributes(alt_names=["a.example"], organization="A")).encode())
    assert not csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical


def test_sign_csr_has_exactly_the_usages():
    key = PrivateKey.generate("Ed25519")
    usages = {"key_usages": ["digital_signature", "non_repudiation"], "extended_key_usages": ["client_auth"]}
    csr = x509.load_pem_x509_csr(key.sign_csr(attributes(common_name="a.example", **usages)).encode())
    usage = csr.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert (usage.value.digital_signature, usage.value.content_commitment) == (True, True)
    assert not (usage.value.key_encipherment or usage.value.key_agreement or usage.value.data_encipherment)
    purposes = csr.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert list(purposes.value) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_sign_csr_omits_usages_by_default():
    csr = x509.load_pem_x509_csr(PrivateKey.generate("Ed25519").sign_csr(attributes(common_name="a.example")).encode())
    assert [type(extension.value) for extension in csr.extensions] == [x509.SubjectAlternativeName]


def signed_common_name(asked):
    csr = x509.load_pem_x509_csr(PrivateKey.generate("EC_prime256v1").sign_csr(asked).encode())
    return csr.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value


@pytest.mark.parametrize("common_name", ["x" * 64, "ä" * 32], ids=["64 letters", "64 bytes"])
def test_sign_csr_accepts_the_longest_common_name(common_name):
    assert signed_common_name(attributes(common_name=common_name, alt_names=["a.example"])) == common_name


@pytest.mark.parametrize("common_name", ["ä" * 40, "証" * 64], ids=["80 bytes", "192 bytes"])
def test_spec_refuses_common_names_that_cannot_be_signed(common_name):
    try:
        asked = attributes(common_name=common_name, alt_names=["a.example"])
    except ValidationError:
        return
    assert signed_common_name(asked) == common_name


def test_public_bytes_are_stable():
    private = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    der = private.private_bytes(DER, PKCS8, serialization.NoEncryption())
    assert PrivateKey.from_der(der).public_bytes() == public_bytes(private.public_key())
