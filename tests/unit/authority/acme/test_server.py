"""The ACME server over the function's entry point: whole orders, and the rules of each request."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from evercert.acme import base64url, jws
from evercert.acme.jwk import to_jwk
from evercert.acme.renewal_info import certificate_id
from evercert.authority.policy.policy import Policy
from evercert.authority.validation.ports import NotValidated, Page
from evercert.authority.validation.validator import DELAYS
from evercert.pki.keys import PrivateKey
from evercert.timestamps import from_text
from tests.doubles.authority.acme_client import AcmeAuthority, AcmeClient
from tests.doubles.authority.authority import ANYTHING, Setting
from tests.doubles.authority.ceremony import ceiling
from tests.doubles.world import Killed

DNS = "http://{}/.well-known/acme-challenge/"


@pytest.fixture
def authority() -> AcmeAuthority:
    return AcmeAuthority()


@pytest.fixture
def client(authority: AcmeAuthority) -> AcmeClient:
    client = AcmeClient(authority)
    assert client.register().status == 201
    return client


def names_of(certificate: x509.Certificate) -> set[str]:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(getattr(one, "value", one)) for one in found}


# -- whole orders -----------------------------------------------------------------------------------------------------
def test_certificate_is_issued_by_http(client: AcmeClient) -> None:
    order, chain = client.issue("www.example.com", "api.example.com")
    assert names_of(chain[0]) == {"www.example.com", "api.example.com"}
    chain[0].verify_directly_issued_by(chain[1])
    assert all(one.issuer != one.subject for one in chain)  # without the root
    assert order["profile"] == "tls-server"


def test_wildcard_is_issued_by_dns(client: AcmeClient) -> None:
    order, chain = client.issue("*.example.com", "example.com", kind="dns-01")
    assert names_of(chain[0]) == {"*.example.com", "example.com"}
    wildcard = client.read(order["authorizations"][0]).json
    assert (wildcard["identifier"]["value"], wildcard["wildcard"]) == ("example.com", True)


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7"])
def test_address_is_issued_by_http(client: AcmeClient, address: str) -> None:
    _, chain = client.issue(address)
    assert names_of(chain[0]) == {address}


def test_certificate_has_the_lifetime_of_the_order(client: AcmeClient) -> None:
    end = client.authority.setting.clock() + timedelta(days=5)
    _, chain = client.issue("www.example.com", notAfter=end.strftime("%Y-%m-%dT%H:%M:%SZ"))
    assert chain[0].not_valid_after_utc == end.replace(microsecond=0)


@pytest.mark.parametrize("defaults", [{}, {"ttlDays": 30}])
def test_certificate_ends_with_its_ca(defaults: dict[str, int]) -> None:
    """A client cannot choose an earlier end, so the server does."""
    authority = AcmeAuthority()
    authority.setting.profile(acme={"eab": "optional"}, defaults=defaults)
    end = authority.setting.cas["EC-issuing"].current.x509.not_valid_after_utc
    authority.setting.clock.advance(seconds=(end - authority.setting.clock()).total_seconds() - 864_000)
    client = AcmeClient(authority)
    client.register()
    _, chain = client.issue("www.example.com")
    assert chain[0].not_valid_after_utc == end


def test_fields_of_the_csr_that_are_no_names_are_ignored(client: AcmeClient) -> None:
    placed = client.order("www.example.com").json
    client.prove(placed)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "de"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "x" * 200)
    ]  # fmt: skip
    purposes = x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.2.3.4.5"), ExtendedKeyUsageOID.CODE_SIGNING])
    builder = x509.CertificateSigningRequestBuilder(x509.Name(subject))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("www.example.com")]), critical=False)
    builder = builder.add_extension(purposes, critical=True)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    csr = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    answer = client.post(placed["finalize"], {"csr": base64url.encode(csr)})
    assert answer.status == 200, answer.text
    (leaf, *_) = x509.load_pem_x509_certificates(client.read(answer.json["certificate"]).text.encode())
    assert leaf.subject.rfc4514_string() == ""
    assert list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.SERVER_AUTH
    ]
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_name_outside_the_ceiling_is_refused_when_it_is_ordered() -> None:
    authority = AcmeAuthority(Setting(allowed=ceiling(dns=("*.example.com",))))
    client = AcmeClient(authority)
    client.register()
    refused = client.order("www.example.com", "www.example.net")
    (one,) = refused.json["subproblems"]
    assert (refused.problem, one["identifier"]["value"]) == ("rejectedIdentifier", "www.example.net")
    assert "ceiling" in one["detail"]


def test_defaults_of_the_profile_add_no_names() -> None:
    authority = AcmeAuthority()
    authority.setting.profile(
        acme={"eab": "optional"}, defaults={"ttlDays": 30, "commonName": "never-validated.example.com"}
    )
    client = AcmeClient(authority)
    client.register()
    _, chain = client.issue("www.example.com")
    assert names_of(chain[0]) == {"www.example.com"}
    assert "never-validated" not in chain[0].subject.rfc4514_string()


@pytest.mark.parametrize("ruled", [False, True])
def test_common_name_needs_a_rule_of_the_policy(ruled: bool) -> None:
    authority = AcmeAuthority()
    policy = {**ANYTHING, **({} if ruled else {"subject": []})}
    authority.setting.profile(acme={"eab": "optional"}, policy=Policy.model_validate(policy), defaults={"ttlDays": 30})
    client = AcmeClient(authority)
    client.register()
    placed = client.order("www.example.com")
    client.prove(placed.json)
    assert client.finalize(placed.json, **{"common-name": "www.example.com"}).status == 200
    (record,) = authority.setting.certificates.certificates.values()
    assert record.signed.subject.rfc4514_string() == ("CN=www.example.com" if ruled else "")


def test_stricter_profile_applies_to_orders_and_accounts_before() -> None:
    authority = AcmeAuthority(eab="required", ownership="unchecked")
    credential, mac_key = authority.credential()
    bound = AcmeClient(authority)
    bound.register((credential.id, mac_key))
    placed = bound.order("www.example.com")
    authority.setting.profile(acme={"eab": "optional"}, defaults={"ttlDays": 30})
    assert bound.finalize(placed.json).problem == "orderNotReady"
    unbound = AcmeClient(authority)
    assert unbound.register().status == 201
    authority.setting.profile(acme={"eab": "required", "ownership": "unchecked"}, defaults={"ttlDays": 30})
    assert unbound.order("www.example.com").problem == "externalAccountRequired"


def test_finalized_twice_is_one_certificate(client: AcmeClient) -> None:
    placed, key = client.order("www.example.com"), PrivateKey.generate("EC_prime256v1")
    client.prove(placed.json)
    first, second = (client.finalize(placed.json, key) for _ in range(2))
    assert (first.status, second.status, first.json) == (200, 200, second.json)
    other = client.finalize(placed.json)
    assert (other.status, other.problem) == (403, "orderNotReady")  # another key
    assert len(client.authority.setting.certificates.certificates) == 1


def test_death_after_the_request_issues_no_second_certificate(
    client: AcmeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed, key = client.order("www.example.com"), PrivateKey.generate("EC_prime256v1")
    client.prove(placed.json)

    def die(*_: object) -> bool:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(client.authority.setting.acme_orders, "replace", die)
        with pytest.raises(Killed):
            client.finalize(placed.json, key)
    assert client.finalize(placed.json).problem == "orderNotReady"  # it would get the certificate of the first key
    assert client.finalize(placed.json, key).json["status"] == "valid"
    certificates = client.authority.setting.certificates
    assert (len(certificates.certificates), len(certificates.requests)) == (1, 1)


def test_signer_that_is_down_leaves_the_order_processing(client: AcmeClient) -> None:
    from evercert.errors import Unavailable

    placed = client.order("www.example.com")
    client.prove(placed.json)
    client.authority.setting.signer.trouble = [Unavailable("down")] * 2
    answer = client.finalize(placed.json)
    assert (answer.json["status"], "Retry-After" in answer.headers) == ("processing", True)
    assert client.read(placed.headers["Location"]).json["status"] == "processing"
    order = client.read(placed.headers["Location"]).json
    assert order["status"] == "valid"
    assert client.read(order["certificate"]).status == 200


def test_unchecked_profile_needs_no_challenge() -> None:
    authority = AcmeAuthority(eab="required", ownership="unchecked")
    credential, mac_key = authority.credential()
    client = AcmeClient(authority)
    assert client.register((credential.id, mac_key)).status == 201
    order, chain = client.issue("www.example.com")
    assert names_of(chain[0]) == {"www.example.com"}
    assert client.read(order["authorizations"][0]).json["challenges"] == []


@pytest.mark.parametrize(
    ("name", "kinds"),
    [("www.example.com", ["http-01", "dns-01"]), ("*.example.com", ["dns-01"]), ("192.0.2.7", ["http-01"])],
)
def test_challenges_fit_the_name(client: AcmeClient, name: str, kinds: list[str]) -> None:
    placed = client.order(name)
    found = client.read(placed.json["authorizations"][0]).json["challenges"]
    assert [one["type"] for one in found] == kinds
    assert len({one["token"] for one in found}) == 1


@pytest.mark.parametrize(("challenge", "name"), [("http-01", "*.example.com"), ("dns-01", "192.0.2.7")])
def test_name_without_a_possible_challenge_is_refused(challenge: str, name: str) -> None:
    client = AcmeClient(AcmeAuthority(challenges=(challenge,)))
    client.register()
    assert client.order(name).problem == "rejectedIdentifier"


# -- accounts ---------------------------------------------------------------------------------------------------------
def test_binding_is_required_unless_the_profile_says_so() -> None:
    client = AcmeClient(AcmeAuthority(eab="required"))
    assert client.directory["meta"]["externalAccountRequired"] is True
    assert client.register().problem == "externalAccountRequired"


def test_names_of_a_credential_limit_its_orders() -> None:
    authority = AcmeAuthority(eab="required")
    credential, mac_key = authority.credential(names=("*.team.example",))
    client = AcmeClient(authority)
    client.register((credential.id, mac_key))
    refused = client.order("www.team.example", "www.other.example")
    assert (refused.status, refused.problem) == (400, "rejectedIdentifier")
    assert [one["identifier"]["value"] for one in refused.json["subproblems"]] == ["www.other.example"]
    assert client.order("www.team.example").status == 201


def test_revoked_credential_stops_its_accounts() -> None:
    authority = AcmeAuthority(eab="required")
    credential, mac_key = authority.credential()
    client = AcmeClient(authority)
    client.register((credential.id, mac_key))
    placed = client.order("www.example.com")
    client.prove(placed.json)
    authority.setting.configuration.put(credential.model_copy(update={"revoked": True}))
    refused = client.order("www.example.com")
    assert (refused.status, refused.problem) == (403, "unauthorized")
    assert client.finalize(placed.json).problem == "unauthorized"
    assert AcmeClient(authority).register((credential.id, mac_key)).problem == "unauthorized"


def test_credential_for_one_account_binds_one() -> None:
    authority = AcmeAuthority(eab="required")
    credential, mac_key = authority.credential(once=True)
    first, second = AcmeClient(authority), AcmeClient(authority)
    assert first.register((credential.id, mac_key)).status == 201
    first.key_id = None
    assert first.register((credential.id, mac_key)).status == 200  # the same account
    assert second.register((credential.id, mac_key)).problem == "unauthorized"


def test_deactivated_account_can_do_nothing(client: AcmeClient) -> None:
    assert client.key_id is not None
    assert client.post(client.key_id, {"status": "deactivated"}).json["status"] == "deactivated"
    refused = client.order("www.example.com")
    assert (refused.status, refused.problem) == (401, "unauthorized")


def test_changed_key_signs_the_next_request(client: AcmeClient) -> None:
    new, url = PrivateKey.generate("EC_prime256v1"), client.directory["keyChange"]
    payload = json.dumps({"account": client.key_id, "oldKey": to_jwk(client.key.public_key)}).encode()
    inner = jws.signed(payload, {"jwk": to_jwk(new.public_key), "url": url}, new)
    assert client.post(url, inner).status == 200
    assert client.order("www.example.com").problem == "malformed"
    client.key = new
    assert client.issue("www.example.com")


def test_orders_are_listed_in_pages(client: AcmeClient) -> None:
    urls = []
    for number in range(53):
        client.authority.setting.clock.advance(seconds=1)
        urls.append(client.order(f"www{number}.example.com").headers["Location"])
    first = client.read(f"{client.key_id}/orders")
    (link,) = [part for part in first.headers["Link"].split(", ") if 'rel="next"' in part]
    second = client.read(link.partition(">")[0].removeprefix("<"))
    assert first.json["orders"] + second.json["orders"] == urls[::-1]
    assert 'rel="next"' not in second.headers["Link"]


def test_account_of_another_client_is_not_found(client: AcmeClient) -> None:
    other = AcmeClient(client.authority)
    other.register()
    assert client.key_id is not None
    for url, payload in ((client.key_id, {"status": "deactivated"}), (f"{client.key_id}/orders", None)):
        assert other.post(url, payload).status == 404
    assert client.order("www.example.com").status == 201


def test_objects_of_another_account_are_not_found(client: AcmeClient) -> None:
    placed = client.order("www.example.com")
    other = AcmeClient(client.authority)
    other.register()
    challenge = client.read(placed.json["authorizations"][0]).json["challenges"][0]
    for url in (placed.headers["Location"], placed.json["authorizations"][0], challenge["url"]):
        assert (other.read(url).status, other.read(url).problem) == (404, "malformed")
    assert other.post(challenge["url"], {}).status == 404
    assert other.finalize(placed.json).status == 404


# -- revocation and renewal -------------------------------------------------------------------------------------------
def der(certificate: x509.Certificate) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    return base64url.encode(certificate.public_bytes(Encoding.DER))


def test_account_revokes_its_certificate_once(client: AcmeClient) -> None:
    _, chain = client.issue("www.example.com")
    body = {"certificate": der(chain[0]), "reason": 4}
    assert client.post(client.directory["revokeCert"], body).status == 200
    assert client.post(client.directory["revokeCert"], body).problem == "alreadyRevoked"
    (record,) = client.authority.setting.certificates.certificates.values()
    assert record.reason == "SUPERSEDED"


def test_key_of_the_certificate_revokes_it(client: AcmeClient) -> None:
    placed, key = client.order("www.example.com"), PrivateKey.generate("EC_prime256v1")
    client.prove(placed.json)
    client.finalize(placed.json, key)
    order = client.read(placed.headers["Location"]).json
    leaf = x509.load_pem_x509_certificates(client.read(order["certificate"]).text.encode())[0]
    stranger = AcmeClient(client.authority)
    assert stranger.post(client.directory["revokeCert"], {"certificate": der(leaf)}).problem == "unauthorized"
    claimed = {"kid": None, "jwk": to_jwk(key.public_key)}
    forged = client.post(client.directory["revokeCert"], {"certificate": der(leaf)}, header=claimed)
    assert forged.problem == "malformed"  # signed by another key
    holder = AcmeClient(client.authority, key)
    assert holder.post(client.directory["revokeCert"], {"certificate": der(leaf), "reason": 1}).status == 200


@pytest.mark.parametrize("reason", [2, 6, 7, 8, 10, 99, "1", True])
def test_bad_reason_is_refused(client: AcmeClient, reason: object) -> None:
    _, chain = client.issue("www.example.com")
    body = {"certificate": der(chain[0]), "reason": reason}
    assert client.post(client.directory["revokeCert"], body).problem == "badRevocationReason"


def test_renewal_window_and_replacement(client: AcmeClient) -> None:
    _, chain = client.issue("www.example.com")
    renewal_id = certificate_id(chain[0])
    answer = client.authority.call("GET", f"{client.directory['renewalInfo']}/{renewal_id}")
    window = answer.json["suggestedWindow"]
    assert from_text(window["start"]) < from_text(window["end"]) < chain[0].not_valid_after_utc
    assert answer.headers["Retry-After"] == "21600"
    placed = client.order("www.example.com", replaces=renewal_id)
    assert placed.json["replaces"] == renewal_id
    assert client.read(placed.headers["Location"]).json["replaces"] == renewal_id
    again = client.order("www.example.com", replaces=renewal_id)
    assert (again.status, again.problem) == (409, "alreadyReplaced")
    client.authority.validate()
    client.post(placed.json["authorizations"][0], {"status": "deactivated"})
    assert client.order("www.example.com", replaces=renewal_id).status == 201  # the failed order freed it


def test_window_of_a_revoked_certificate_is_past(client: AcmeClient) -> None:
    _, chain = client.issue("www.example.com")
    client.post(client.directory["revokeCert"], {"certificate": der(chain[0])})
    url = f"{client.directory['renewalInfo']}/{certificate_id(chain[0])}"
    assert (
        from_text(client.authority.call("GET", url).json["suggestedWindow"]["end"]) <= client.authority.setting.clock()
    )


def test_unknown_certificate_has_no_window(client: AcmeClient) -> None:
    assert client.authority.call("GET", f"{client.directory['renewalInfo']}/AAAA.AAAA").status == 404


# -- revocation by another account ------------------------------------------------------------------------------------
def another(client: AcmeClient) -> AcmeClient:
    found = AcmeClient(client.authority)
    assert found.register().status == 201
    return found


def test_account_that_controls_all_names_revokes(client: AcmeClient) -> None:
    _, chain = client.issue("www.example.com", "api.example.com")
    other, request = another(client), {"certificate": der(chain[0])}
    assert other.post(client.directory["revokeCert"], request).problem == "unauthorized"
    other.issue("www.example.com")
    assert other.post(client.directory["revokeCert"], request).problem == "unauthorized"
    placed = other.order("api.example.com")
    other.prove(placed.json)
    assert other.post(client.directory["revokeCert"], request).status == 200


@pytest.mark.parametrize("change", ["expired", "deactivated", "unproven"])
def test_account_that_no_longer_controls_a_name_does_not_revoke(client: AcmeClient, change: str) -> None:
    _, chain = client.issue("www.example.com")
    other = another(client)
    placed = other.order("www.example.com").json
    if change != "unproven":
        other.prove(placed)
    if change == "expired":
        client.authority.setting.clock.advance(seconds=86_401)
    if change == "deactivated":
        assert other.post(placed["authorizations"][0], {"status": "deactivated"}).status == 200
    refused = other.post(client.directory["revokeCert"], {"certificate": der(chain[0])})
    assert (refused.status, refused.problem) == (403, "unauthorized")


def test_unchecked_names_prove_nothing_for_a_revocation() -> None:
    authority = AcmeAuthority(eab="required", ownership="unchecked")
    clients = [AcmeClient(authority) for _ in range(2)]
    for number, one in enumerate(clients):
        credential, mac_key = authority.credential(f"team-{number}")
        one.register((credential.id, mac_key))
    _, chain = clients[0].issue("www.example.com")
    clients[1].order("www.example.com")
    refused = clients[1].post(clients[1].directory["revokeCert"], {"certificate": der(chain[0])})
    assert refused.problem == "unauthorized"


# -- validation -------------------------------------------------------------------------------------------------------
def failed_challenge(client: AcmeClient, name: str = "www.example.com") -> dict[str, Any]:
    placed = client.order(name)
    (url,) = placed.json["authorizations"]
    challenge = next(one for one in client.read(url).json["challenges"] if one["type"] == "http-01")
    client.post(challenge["url"], {})
    outcomes = client.authority.validate()
    assert outcomes == ["retry"] * len(DELAYS) + ["invalid"]
    assert client.read(placed.headers["Location"]).json["status"] == "invalid"
    found: dict[str, Any] = client.read(url).json
    assert found["status"] == "invalid"
    return found["challenges"][0]["error"]  # type: ignore[no-any-return]


def test_missing_page_makes_the_order_invalid(client: AcmeClient) -> None:
    error = failed_challenge(client)
    assert error["type"] == "urn:ietf:params:acme:error:incorrectResponse"
    assert "HTTP 404" in error["detail"]


def test_wrong_page_makes_the_order_invalid(client: AcmeClient) -> None:
    client.authority.network.load = lambda url, within, private: Page(200, None, b"token.other")  # type: ignore[method-assign]
    assert failed_challenge(client)["detail"] == "the page of www.example.com is not the key authorization"


def test_wrong_record_makes_the_order_invalid(client: AcmeClient) -> None:
    placed = client.order("*.example.com")
    (challenge,) = client.read(placed.json["authorizations"][0]).json["challenges"]
    client.authority.network.records["_acme-challenge.example.com"] = [b"other", b"values"]
    client.post(challenge["url"], {})
    assert client.authority.validate()[-1] == "invalid"
    error = client.read(placed.json["authorizations"][0]).json["challenges"][0]["error"]
    assert "2 TXT record(s) with other values" in error["detail"]


def test_late_result_of_an_earlier_try_is_dropped(client: AcmeClient) -> None:
    placed = client.order("www.example.com")
    challenge = client.read(placed.json["authorizations"][0]).json["challenges"][0]
    client.post(challenge["url"], {})
    authority, nested = client.authority, list[str]()
    message, _ = authority.setting.validations.sent.pop()

    def load(url: str, within: timedelta, *, private: bool) -> Page:
        if not nested:
            nested.append("")
            nested[0] = authority.validator.run(*message)[0]
        return Page(404, None, b"")

    authority.network.load = load  # type: ignore[method-assign]
    assert (authority.validator.run(*message)[0], nested) == ("done", ["retry"])
    stored = authority.setting.acme_orders.stored[message[0]].authorizations[0].challenges[0]
    assert stored.tries == 1


def test_page_that_comes_late_is_accepted(client: AcmeClient) -> None:
    placed = client.order("www.example.com")
    challenge = next(
        one for one in client.read(placed.json["authorizations"][0]).json["challenges"] if one["type"] == "http-01"
    )
    client.post(challenge["url"], {})
    validations = client.authority.setting.validations
    message, _ = validations.sent.pop()
    assert client.authority.validator.run(*message)[0] == "retry"
    client.authority.setting.clock.advance(seconds=45)
    page = f"http://www.example.com/.well-known/acme-challenge/{challenge['token']}"
    client.authority.network.pages[page] = f"{challenge['token']}.{client.thumbprint}\n".encode()
    assert client.authority.validate() == ["valid"]
    assert client.read(placed.headers["Location"]).json["status"] == "ready"


def test_lost_message_is_sent_again_when_the_client_asks(client: AcmeClient) -> None:
    placed = client.order("www.example.com")
    url = placed.json["authorizations"][0]
    challenge = client.read(url).json["challenges"][0]
    client.post(challenge["url"], {})
    client.authority.setting.validations.sent.clear()
    client.authority.setting.clock.advance(seconds=20)
    for _ in range(3):
        client.read(url)
        client.post(challenge["url"], {})
    assert len(client.authority.setting.validations.sent) == 1


def test_repeated_answers_are_validated_once(client: AcmeClient) -> None:
    challenge = client.read(client.order("www.example.com").json["authorizations"][0]).json["challenges"][0]
    for _ in range(5):
        assert client.post(challenge["url"], {}).status == 200
    assert len(client.authority.setting.validations.sent) == 1


def test_message_of_an_earlier_try_is_dropped(client: AcmeClient) -> None:
    """A message that comes twice makes one try, and sends one message."""
    challenge = client.read(client.order("www.example.com").json["authorizations"][0]).json["challenges"][0]
    client.post(challenge["url"], {})
    message, _ = client.authority.setting.validations.sent.pop()
    assert client.authority.validator.run(*message)[0] == "retry"
    client.authority.setting.clock.advance(seconds=30)
    assert client.authority.validator.run(*message)[0] == "done"
    assert len(client.authority.setting.validations.sent) == 1


def test_one_challenge_of_a_name_is_validated_at_a_time(client: AcmeClient) -> None:
    first, second = client.read(client.order("www.example.com").json["authorizations"][0]).json["challenges"]
    client.post(first["url"], {})
    refused = client.post(second["url"], {})
    assert (refused.status, refused.problem, "processing" in refused.text) == (400, "malformed", True)
    assert len(client.authority.setting.validations.sent) == 1


def test_only_the_host_itself_may_be_in_a_private_network(client: AcmeClient) -> None:
    """A redirect to another host of the operator's networks would let clients explore them."""
    challenge = client.read(client.order("www.example.com").json["authorizations"][0]).json["challenges"][0]
    own = f"http://www.example.com/.well-known/acme-challenge/{challenge['token']}"
    pages = client.authority.network.pages
    pages[own] = Page(302, "https://www.example.com/moved", b"")
    pages["https://www.example.com/moved"] = Page(302, "http://other.example.com/", b"")
    client.post(challenge["url"], {})
    client.authority.validator.run(*client.authority.setting.validations.sent.pop()[0])
    assert client.authority.network.asked == [own, "https://www.example.com/moved", "http://other.example.com/"]
    assert client.authority.network.inside == [own, "https://www.example.com/moved"]


def test_unfinished_order_is_not_ready(client: AcmeClient) -> None:
    placed = client.order("www.example.com", "api.example.com")
    refused = client.finalize(placed.json)
    assert (refused.status, refused.problem) == (403, "orderNotReady")


def test_expired_order_is_invalid(client: AcmeClient) -> None:
    placed = client.order("www.example.com")
    client.authority.setting.clock.advance(seconds=86_400)
    assert client.read(placed.headers["Location"]).json["status"] == "invalid"
    assert client.read(placed.json["authorizations"][0]).json["status"] == "expired"


@pytest.mark.parametrize(
    "target",
    [
        "ftp://www.example.com/",
        "http://www.example.com:8080/",
        "http://user@www.example.com/",
        "http://localhost/",
        "http://2130706433/",
        "http://127.1/",
        "https://www.example.com:80/",
        "//",
        "http://[fe80::1%25eth0]/",
    ],
)
def test_redirect_to_an_unusual_place_is_refused(client: AcmeClient, target: str) -> None:
    network = client.authority.network
    token_page = Page(302, target, b"")
    network.load = lambda url, within, private: (network.asked.append(url), token_page)[1]  # type: ignore[method-assign]
    error = failed_challenge(client)
    assert error["type"] == "urn:ietf:params:acme:error:connection"
    assert len(set(network.asked)) == 1


def test_redirect_loop_ends(client: AcmeClient) -> None:
    network = client.authority.network
    network.load = lambda url, within, private: (network.asked.append(url), Page(301, url, b""))[1]  # type: ignore[method-assign]
    assert "redirects" in failed_challenge(client)["detail"]
    assert len(network.asked) == 11 * (len(DELAYS) + 1)


def test_error_of_the_network_is_shown(client: AcmeClient) -> None:
    def fails(url: str, within: timedelta, *, private: bool) -> Page:
        raise NotValidated("dns", "www.example.com has no address")

    client.authority.network.load = fails  # type: ignore[method-assign]
    assert failed_challenge(client)["detail"] == "www.example.com has no address"
