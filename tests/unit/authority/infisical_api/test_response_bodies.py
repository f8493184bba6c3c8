"""Response bodies: lists of a certificate in the order and spelling of the request, which Terraform compares."""

from __future__ import annotations

import pytest
from cryptography import x509

from tests.doubles.authority.client import CERTIFICATES, USAGES, Client
from tests.unit.authority.infisical_api.test_enrollment import leaf_of


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.mark.parametrize(
    ("names", "certified"),
    [
        (["b.example.com", "a.example.com"], {"a.example.com", "b.example.com", "www.example.com"}),
        (["B.example.com", "www.example.com"], {"b.example.com", "www.example.com"}),
        (["bücher.example.com"], {"xn--bcher-kva.example.com", "www.example.com"}),
        ([], {"www.example.com"}),
    ],
    ids=["order", "case", "international", "none"],
)
def test_certificate_shows_names_as_requested(client: Client, names: list[str], certified: set[str]) -> None:
    """Terraform fails if they differ from the configuration; a host in the common name is only in the certificate."""
    issued = client.issued({"altNames": [{"type": "dns_name", "value": name} for name in names]})
    found = client.get(f"{CERTIFICATES}/{issued['certificateId']}").json["certificate"]
    assert found["altNames"] == ",".join(names)
    extension = leaf_of(issued).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert set(extension.value.get_values_for_type(x509.DNSName)) == certified


def test_certificate_shows_the_subject_as_requested(client: Client) -> None:
    issued = client.issued({"commonName": "bücher.example.com", "country": "de"})
    found = client.get(f"{CERTIFICATES}/{issued['certificateId']}").json["certificate"]
    assert (found["commonName"], found["subjectCountry"]) == ("bücher.example.com", "de")
    assert found["subject"] == {"commonName": "xn--bcher-kva.example.com", "country": "DE"}


def test_certificate_shows_names_that_were_not_requested(client: Client) -> None:
    body = {"profileId": client.profile.id, "attributes": {"commonName": "www.example.com", "ttl": "1d", **USAGES}}
    issued = client.post(CERTIFICATES, body).json["certificate"]
    assert client.get(f"{CERTIFICATES}/{issued['certificateId']}").json["certificate"]["altNames"] == "www.example.com"


def test_certificate_shows_usages_in_requested_order(client: Client) -> None:
    usages, purposes = ["key_encipherment", "digital_signature"], ["client_auth", "server_auth"]
    attributes = {"keyAlgorithm": "RSA_2048", "keyUsages": usages, "extendedKeyUsages": purposes}
    target = f"{CERTIFICATES}/{client.issued(attributes)['certificateId']}"
    found = client.get(target).json["certificate"]
    assert (found["keyUsages"], found["extendedKeyUsages"]) == (usages, purposes)
    renewed = client.get(f"{CERTIFICATES}/{client.post(f'{target}/renew').json['certificateId']}").json["certificate"]
    assert (renewed["keyUsages"], renewed["extendedKeyUsages"]) == (usages, purposes)
    changed = client.post(f"{CERTIFICATES}/{renewed['id']}/renew", {"attributes": {"keyUsages": usages[1:]}}).json
    found = client.get(f"{CERTIFICATES}/{changed['certificateId']}").json["certificate"]
    assert (found["keyUsages"], found["extendedKeyUsages"]) == (["digital_signature"], ["server_auth", "client_auth"])


def test_certificate_shows_no_usage_that_was_left_out(client: Client) -> None:
    issued = client.issued({"keyAlgorithm": "EC_prime256v1", "keyUsages": ["key_encipherment", "digital_signature"]})
    found = client.get(f"{CERTIFICATES}/{issued['certificateId']}").json["certificate"]
    assert found["keyUsages"] == ["digital_signature"]
