"""Entries of ACME clients in the issuance trail."""

from __future__ import annotations

from evercert.errors import Unavailable
from evercert.pki.keys import PrivateKey
from tests.doubles.authority.acme_client import AcmeAuthority, AcmeClient


def results(authority: AcmeAuthority) -> list[tuple[str, str, str]]:
    found = sorted(authority.setting.certificates.trail.items(), key=lambda item: item[0][0])
    return [(one.action, one.result, one.origin) for _, one in found]


def test_finalized_order_is_recorded(authority: AcmeAuthority, client: AcmeClient) -> None:
    client.issue("www.example.com")
    (entry,) = authority.setting.certificates.trail.values()
    assert results(authority) == [("issue", "issued", "acme")]
    (record,) = authority.setting.certificates.certificates.values()
    assert (entry.identity, entry.names, entry.profile) == (record.identity, ("www.example.com",), authority.profile.id)


def test_revocation_is_recorded_with_its_account(authority: AcmeAuthority, client: AcmeClient) -> None:
    _, chain = client.issue("www.example.com")
    authority.setting.clock.advance(minutes=1)
    assert client.revoke(chain[0]).status == 200
    *_, revoked = authority.setting.certificates.trail.values()
    assert results(authority)[-1] == ("revoke", "revoked", "acme")
    assert revoked.identity == next(iter(authority.setting.certificates.certificates.values())).identity


def test_waiting_order_is_recorded(authority: AcmeAuthority, client: AcmeClient) -> None:
    authority.setting.signer.trouble = [Unavailable("busy")]
    client.issue("www.example.com")
    assert sorted(results(authority)) == [("issue", "issued", "acme"), ("issue", "pending", "acme")]


def test_refused_order_is_recorded(authority: AcmeAuthority, client: AcmeClient) -> None:
    placed = client.order("www.example.com")
    assert client.finalize(placed.json).problem == "orderNotReady"  # nothing is proven: no entry
    client.prove(placed.json)
    assert client.finalize(placed.json, **{"alt-names": ["dns:evil.example.com"]}).problem == "badCSR"
    (entry,) = authority.setting.certificates.trail.values()
    assert (entry.result, entry.names, "badCSR" in entry.reason) == ("refused", ("www.example.com",), True)


def test_refusal_of_a_compromised_key_is_recorded(authority: AcmeAuthority, client: AcmeClient) -> None:
    key = PrivateKey.generate("EC_prime256v1")
    authority.setting.certificates.compromised_keys.add(key.public_bytes())
    placed = client.order("www.example.com")
    client.prove(placed.json)
    assert client.finalize(placed.json, key).problem == "badCSR"
    (entry,) = authority.setting.certificates.trail.values()
    assert (entry.result, "the key was revoked as compromised" in entry.reason) == ("refused", True)
    assert client.finalize(placed.json).status == 200
