"""A certificate of an ACME client is as any other: listed, read, revoked and on the CRL by the API."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509

from evercert.acme.renewal_info import certificate_id
from evercert.timestamps import from_text
from tests.doubles.authority.acme_client import AcmeAuthority, AcmeClient, Answer

API = "/api/v1/cert-manager"


class World:
    """An authority with an issued certificate of an ACME client, and an identity that administers the profile."""

    def __init__(self) -> None:
        self.authority = AcmeAuthority()
        self.client = AcmeClient(self.authority)
        self.client.register()
        self.order, self.chain = self.client.issue("www.example.com")
        self.administrator = self.authority.setting.identity("administer", "request")[0]
        (self.record,) = self.authority.setting.certificates.certificates.values()

    def call(self, method: str, path: str, body: bytes = b"") -> Answer:
        token = self.authority.setting.token(self.administrator)
        headers = {"authorization": f"Bearer {token}", "content_type": "application/json"}
        return self.authority.call(method, f"{self.authority.setting.address}{path}", body, **headers)

    def serials(self) -> list[int]:
        """Return the serial numbers on the CRL of the issuing CA."""
        ca = self.authority.setting.cas["EC-issuing"]
        self.authority.setting.front.crl_publisher.refresh()
        published = self.authority.setting.certificates.published(ca.id)
        assert published is not None
        return [one.serial_number for one in x509.load_der_x509_crl(published)]


@pytest.fixture
def world() -> World:
    return World()


def listed(world: World) -> list[dict[str, Any]]:
    found = world.call("GET", f"{API}/certificate-profiles/{world.authority.profile.id}/certificates").json
    return found["certificates"]  # type: ignore[no-any-return]


def test_certificate_is_listed_and_read(world: World) -> None:
    (one,) = listed(world)
    assert one["id"] == world.record.id
    found = world.call("GET", f"{API}/certificates/{world.record.id}").json["certificate"]
    assert int(found["serialNumber"].replace(":", ""), 16) == world.chain[0].serial_number
    metadata = dict(world.record.metadata)
    assert metadata.keys() >= {"acme-account", "acme-order"}


def test_certificate_has_no_private_key_to_read(world: World) -> None:
    assert world.call("GET", f"{API}/certificates/{world.record.id}/private-key").status in {403, 404}


def test_revocation_by_the_api_reaches_the_client(world: World) -> None:
    answer = world.call("POST", f"{API}/certificates/{world.record.id}/revoke", b'{"revocationReason": "SUPERSEDED"}')
    assert answer.status == 200, answer.text
    assert world.serials() == [world.chain[0].serial_number]
    url = f"{world.client.directory['renewalInfo']}/{certificate_id(world.chain[0])}"
    window = world.authority.call("GET", url).json["suggestedWindow"]
    assert from_text(window["end"]) <= world.authority.setting.clock()


def test_revocation_by_the_client_reaches_the_api(world: World) -> None:
    assert world.client.revoke(world.chain[0]).status == 200
    assert world.serials() == [world.chain[0].serial_number]
    assert world.call("GET", f"{API}/certificates/{world.record.id}").json["certificate"]["status"] == "revoked"


def test_identity_of_another_profile_sees_nothing(world: World) -> None:
    world.administrator = world.authority.setting.identity("administer", profile="other/profile")[0]
    assert world.call("GET", f"{API}/certificates/{world.record.id}").status == 404
