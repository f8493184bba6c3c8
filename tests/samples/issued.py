"""One of each kind that evercert issues: for linters."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from cryptography import x509

from evercert.authority.ca.builder import Issuer, IssuerURLs, serial_number
from evercert.authority.ca.crl import BACKDATED, sign_crl
from evercert.authority.ca.definition import CA
from evercert.authority.ca.kms_key import kms_private_key
from evercert.authority.ca.signing_orders import CrlOrder, Revoked
from evercert.authority.policy.presets import PRESETS
from evercert.authority.signer.signer import SigningService
from evercert.contracts.issuer import Request
from evercert.documents.spec import Spec
from evercert.issuers.self_signed import SelfSigned
from evercert.pki.algorithms import ALGORITHMS
from evercert.pki.attributes import Attributes
from evercert.pki.identifiers import parse
from evercert.pki.keys import PrivateKey
from evercert.pki.usages import EXTENDED_KEY_USAGES
from tests.doubles.authority.ceremony import Ceremony, ceiling, order
from tests.doubles.authority.client import Client
from tests.doubles.authority.configuration import FakeConfiguration
from tests.doubles.authority.ledger import MemoryLedger
from tests.doubles.fakes import START
from tests.samples.certificates import private_key

CA_KEYS = ("EC_prime256v1", "EC_secp384r1", "EC_secp521r1", "RSA_2048", "RSA_3072", "RSA_4096")
LEAF_KEYS = tuple(key for key in CA_KEYS if key != "EC_secp521r1")  # those of the presets
USAGES = {"tls-server": ["server_auth"], "tls-client": ["client_auth"], "mtls": ["server_auth", "client_auth"]}
HOSTS = ["dns:www.example.com", "ip:93.184.215.14"]
ADDRESS = "http://pki.example.com"  # PublishedAddress
SUBJECT = {
    "domain_components": ("com", "example"), "country": ("DE",), "state": ("Bavaria",), "locality": ("München",),
    "organization": ("Example",), "organizational_unit": ("Shop", "Web"), "common_name": ("www.example.com",),
}  # fmt: skip
NAMES = tuple(map(parse, (*HOSTS, "dns:*.example.com", "ip:2606:2800:21f::1", "email:ops@example.com")))
FORMS: dict[str, dict[str, Any]] = {
    "every field": {"subject": SUBJECT, "names": NAMES},
    "names only": {"subject": {}, "names": NAMES},
    "SPIFFE id": {"subject": {}, "names": (parse("uri:spiffe://example.com/web"),)},
    "any purpose": {"extended_key_usages": (), "key_usages": ()},
    "client without names": {
        "subject": {"common_name": ("Payroll service",)}, "names": (), "extended_key_usages": ("client_auth",),
    },
    **{
        f"purpose {purpose}": {
            "subject": {"common_name": ("Example",)}, "names": (parse("email:ops@example.com"),),
            "extended_key_usages": (purpose,),
        }
        for purpose in EXTENDED_KEY_USAGES if purpose != "server_auth"
    },
}  # fmt: skip
Linted = x509.Certificate | x509.CertificateRevocationList


def issued() -> dict[str, Linted]:
    """Return certificates and lists by name: presets, forms and self-signed ones by key, CAs and lists by their key."""
    return {**_leaves("ca"), **_leaves("self-signed"), **_forms(), **_cas(), **_self_signed()}


def _leaves(issuer_type: str) -> dict[str, Linted]:
    found: dict[str, Linted] = {}
    client = Client(address=ADDRESS)
    for preset, purposes in USAGES.items():
        rules = PRESETS[preset]
        client.profile = client.setting.profile(
            preset, issuer_type=issuer_type, policy=rules.policy, defaults=rules.defaults
        )
        for algorithm in LEAF_KEYS:
            if issuer_type == "self-signed" and algorithm in {"RSA_3072", "RSA_4096"}:
                continue  # generated in the function, which takes seconds; they differ in their length only
            rsa = algorithm.startswith("RSA") and preset != "tls-client"  # clients only sign (RFC 5280 §4.2.1.12)
            usages = ["digital_signature", *(["key_encipherment"] if rsa else [])]
            body: dict[str, Any] = {"ttl": "90d", "keyUsages": usages, "extendedKeyUsages": purposes}
            if issuer_type == "self-signed":
                names = [{"type": "dns_name", "value": "www.example.com"}]
                more = {**body, "keyAlgorithm": algorithm, "commonName": "www.example.com", "altNames": names}
                certificate = client.issued(more)["certificate"]
            else:
                csr = PrivateKey(private_key(algorithm)).sign_csr(
                    Attributes.model_validate(
                        {"common-name": "www.example.com", "alt-names": HOSTS[: 1 + (preset != "tls-client")]}
                    )
                )
                answer = client.post(
                    "/api/v1/cert-manager/certificates",
                    {"profileId": client.profile.id, "csr": csr, "attributes": body},
                )
                assert answer.status == 200, answer.body
                certificate = answer.json["certificate"]["certificate"]
            found[f"{issuer_type} {preset} {algorithm}"] = x509.load_pem_x509_certificate(certificate.encode())
    return found


def _forms() -> dict[str, Linted]:
    """Issue what no preset allows, but a policy and a ceiling can."""
    found: dict[str, Linted] = {}
    allowed = ceiling(email=("*",), any_purpose=True, extended_key_usages=EXTENDED_KEY_USAGES)
    for algorithm in ("EC_prime256v1", "RSA_2048"):
        made = Ceremony(algorithm, ceiling=allowed, address=ADDRESS)
        configuration = FakeConfiguration(made.root, made.issuing)
        signer = SigningService(configuration, MemoryLedger(), made.keys, ADDRESS, lambda: START)
        for form, fields in FORMS.items():
            der = signer.leaf(order(made.issuing, START, **fields))
            found[f"form {form} {algorithm}"] = x509.load_der_x509_certificate(der)
    return found


def _cas() -> dict[str, Linted]:
    found: dict[str, Linted] = {}
    for algorithm in CA_KEYS:
        ceremony = Ceremony(algorithm, address=ADDRESS)
        for ca in (ceremony.root, ceremony.issuing):
            found[f"{ca.kind} CA {algorithm}"] = ca.current.x509
            found[f"empty list of {ca.kind} CA {algorithm}"] = _crl(ceremony, ca)
            reason = "cACompromise" if ca.kind == "root" else "keyCompromise"
            at = START - timedelta(hours=1)
            entries = Revoked(serial_number(), at), Revoked(serial_number(), at, reason)
            found[f"list of {ca.kind} CA {algorithm}"] = _crl(ceremony, ca, *entries)
    return found


def _crl(ceremony: Ceremony, ca: CA, *revoked: Revoked) -> x509.CertificateRevocationList:
    validity = timedelta(days=7 if ca.kind == "issuing" else 365)
    order = CrlOrder(ca.id, int(START.timestamp()), START - BACKDATED, START + validity, revoked)
    key = kms_private_key(ceremony.keys, ca.key, ca.current.x509.public_key())  # type: ignore[arg-type]
    return sign_crl(order, Issuer(ca.current.x509, IssuerURLs(), key))


def _self_signed() -> dict[str, Linted]:
    found: dict[str, Linted] = {}
    for algorithm in ALGORITHMS:
        spec = Spec.model_validate(
            {
                "name": "web",
                "issuer": "development",
                "attributes": {"common-name": "www.example.com", "alt-names": HOSTS},
                "private-key": {"algorithm": algorithm},
                "destinations": [{"type": "secrets-manager"}],
            }
        )
        key = PrivateKey.generate(algorithm)
        request = Request(
            certificate="web", spec=spec, csr=key.sign_csr(spec.attributes), revision=1, token="t", now=START
        )
        found[f"issuer self-signed {algorithm}"] = SelfSigned(SelfSigned.Settings()).issue_with(request, key).chain.leaf
    return found
