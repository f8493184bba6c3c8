"""Orders over the entry point of the function: placed, finalized, certified."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from evercert.acme import base64url
from evercert.authority.configuration.approval_options import ApprovalOptions
from evercert.authority.policy.policy import Policy
from evercert.authority.registration.approvals import ApprovalDecisions
from evercert.authority.registration.approvers import Approver
from evercert.pki.keys import PrivateKey
from evercert.timestamps import to_text
from tests.doubles.authority.acme_client import AcmeAuthority, AcmeClient
from tests.doubles.authority.authority import ANYTHING, Setting
from tests.doubles.authority.ceremony import ceiling
from tests.doubles.world import Killed

DNS = "http://{}/.well-known/acme-challenge/"


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
    assert client.read(placed.headers["Location"]).json["status"] == "valid"  # so the client places another order
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


def test_expired_order_is_not_finalized(client: AcmeClient) -> None:
    """Not even if all its names were proven in time."""
    placed = client.order("www.example.com")
    client.prove(placed.json)
    client.authority.setting.clock.advance(seconds=86_401)
    refused = client.finalize(placed.json)
    assert (refused.status, refused.problem) == (403, "orderNotReady")
    assert client.authority.setting.certificates.certificates == {}


# -- dates ------------------------------------------------------------------------------------------------------------
def at(client: AcmeClient, **span: float) -> str:
    return to_text(client.authority.setting.clock() + timedelta(**span))


@pytest.mark.parametrize(
    "dates",
    [
        {"notBefore": {"minutes": -6}},
        {"notBefore": {"days": -365}},
        {"notBefore": {"days": 31}},
        {"notAfter": {"days": 365 * 6}},
        {"notAfter": {"days": 365 * 101}},
        {"notAfter": {"minutes": -1}},
    ],
    ids=str,
)
def test_dates_that_no_certificate_could_have_are_refused(
    client: AcmeClient, dates: dict[str, dict[str, float]]
) -> None:
    refused = client.order("www.example.com", **{name: at(client, **span) for name, span in dates.items()})
    assert (refused.status, refused.problem) == (400, "malformed")


def test_validation_may_take_longer_than_the_tolerance_of_clocks(client: AcmeClient) -> None:
    placed = client.order("www.example.com", notBefore=at(client), notAfter=at(client, days=5))
    client.authority.setting.clock.advance(seconds=1_200)
    client.prove(placed.json)
    assert client.finalize(placed.json).json["status"] == "valid"


def test_lifetime_of_a_client_with_a_fast_clock_is_cut() -> None:
    authority = AcmeAuthority()
    policy = Policy.model_validate({**ANYTHING, "validity": {"max": "30d"}})
    authority.setting.profile(acme={"eab": "optional"}, policy=policy)
    client = AcmeClient(authority)
    client.register()
    begin = authority.setting.clock().replace(microsecond=0)
    _, chain = client.issue("www.example.com", notAfter=at(client, days=30, minutes=2))
    assert chain[0].not_valid_after_utc == begin + timedelta(days=30)
    assert client.order("www.example.com", notAfter=at(client, days=30, minutes=6)).problem == "malformed"


# -- sizes and keys ---------------------------------------------------------------------------------------------------
def test_names_that_fit_into_no_csr_are_refused_at_once(client: AcmeClient) -> None:
    label = "x" * 60
    names = [f"{label}.{label}.{number:02}.example.com" for number in range(100)]
    assert "several certificates" in client.order(*names).json["detail"]
    placed = client.order(*names[:55])
    client.prove(placed.json)
    assert client.finalize(placed.json).json["status"] == "valid"


def test_key_of_another_account_is_no_key_of_a_certificate(client: AcmeClient) -> None:
    other = AcmeClient(client.authority)
    other.register()
    placed = client.order("www.example.com")
    client.prove(placed.json)
    assert client.finalize(placed.json, other.key).problem == "badCSR"


def test_order_waits_for_an_approval(authority: AcmeAuthority, client: AcmeClient) -> None:
    authority.setting.configuration.put(authority.profile.model_copy(update={"approval": ApprovalOptions()}))
    placed = client.order("www.example.com")
    client.prove(placed.json)
    url = placed.headers["Location"]
    assert client.finalize(placed.json).json["status"] == "processing"
    waiting = client.read(url)
    assert (waiting.json["status"], int(waiting.headers["Retry-After"]) > 0) == ("processing", True)
    (request,) = authority.setting.certificates.requests
    setting = authority.setting
    decisions = ApprovalDecisions(setting.configuration, setting.certificates, setting.clock)
    decisions.approve(Approver("arn", "ops"), request)
    assert client.read(url).json["status"] == "valid"


def test_rejected_order_is_invalid(authority: AcmeAuthority, client: AcmeClient) -> None:
    authority.setting.configuration.put(authority.profile.model_copy(update={"approval": ApprovalOptions()}))
    placed = client.order("www.example.com")
    client.prove(placed.json)
    client.finalize(placed.json)
    setting = authority.setting
    decisions = ApprovalDecisions(setting.configuration, setting.certificates, setting.clock)
    decisions.reject(Approver("arn", "ops"), next(iter(setting.certificates.requests)), "wrong domain")
    order = client.read(placed.headers["Location"]).json
    assert order["status"] == "invalid" and "wrong domain" in order["error"]["detail"]
