"""Orders of a profile whose certificates an issuer outside of the authority signs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from evercert.acme.renewal_info import certificate_id
from evercert.authority.ca.definition import Ceiling
from evercert.authority.configuration.approval_options import ApprovalOptions
from evercert.authority.registration.external_records import external_record
from evercert.errors import Unavailable
from evercert.operations import external_orders
from evercert.operations.external_requests import LONGEST
from evercert.pki.certificate import Chain
from evercert.pki.keys import PrivateKey
from evercert.timestamps import to_text
from tests.doubles.authority.acme_client import AcmeAuthority, AcmeClient
from tests.doubles.authority.outside import NARROW, Outside, PublicIssuer
from tests.doubles.world import Killed

NAME = "www.example.com"
DAY = timedelta(days=1)


class External(AcmeClient):
    """A client of a profile with the issuer `outside`."""

    def __init__(self, *script: str, ceiling: Ceiling | None = NARROW, **profile: Any) -> None:
        authority = AcmeAuthority()
        changes = {"issuer_type": "external", "issuer": "outside", "cas": (), **profile}
        authority.profile = authority.profile.model_copy(update=changes)
        authority.setting.configuration.put(authority.profile)
        self.outside = Outside(authority.setting, *script, ceiling=ceiling, kind=PublicIssuer)
        super().__init__(authority)
        assert self.register().status == 201

    @property
    def issuer(self) -> PublicIssuer:
        assert isinstance(self.outside.issuer, PublicIssuer)
        return self.outside.issuer

    @property
    def certificates(self) -> Any:
        return self.authority.setting.certificates

    def placed(self, *names: str, **members: Any) -> Any:
        """Place an order and prove its names."""
        placed = self.order(*(names or (NAME,)), **members)
        assert placed.status == 201, placed.text
        self.prove(placed.json)
        return placed

    def finalized(self, key: PrivateKey | None = None) -> str:
        """Place and finalize an order; return its URL."""
        placed = self.placed()
        answer = self.finalize(placed.json, key)
        assert (answer.status, answer.json["status"]) == (200, "processing"), answer.text
        return str(placed.headers["Location"])

    def certified(self) -> tuple[str, list[x509.Certificate]]:
        """Return the URL of a valid order, and its chain."""
        url = self.finalized()
        assert self.outside.deliver() == ["issued"]
        return url, self.chain(url)

    def chain(self, url: str) -> list[x509.Certificate]:
        order = self.read(url).json
        assert order["status"] == "valid", order
        return x509.load_pem_x509_certificates(self.read(order["certificate"]).text.encode())


# -- the way to the certificate ---------------------------------------------------------------------------------------
def test_order_is_processing_until_the_issuer_has_signed() -> None:
    client = External("pending")
    url = client.finalized()
    assert client.outside.deliver() == ["pending"]
    waiting = client.read(url)
    assert (waiting.json["status"], waiting.headers["Retry-After"]) == ("processing", "10")
    assert "error" not in waiting.json and "certificate" not in waiting.json
    (request,) = client.certificates.requests
    client.authority.setting.clock.advance(minutes=5)
    assert client.outside.fulfillment.run(request).outcome == "issued"
    leaf, intermediate = client.chain(url)  # without the root
    leaf.verify_directly_issued_by(intermediate)
    assert intermediate == client.issuer.intermediate.certificate
    assert client.authority.setting.ledger.intents == {}


def test_certificate_is_in_the_inventory_of_its_account() -> None:
    client = External()
    client.certified()
    (record,) = client.certificates.certificates.values()
    (request,) = client.certificates.requests.values()
    assert (record.external, record.ca, request.origin) == ("outside", "", "acme")
    assert client.key_id == f"{client.authority.base}/accounts/{record.identity}"
    setting = client.authority.setting
    bearer = f"Bearer {setting.token(setting.identity('administer')[0])}"
    url = f"{setting.address}/api/v1/cert-manager/certificates/{record.id}"
    answer = client.authority.call("GET", url, authorization=bearer)
    shown = answer.json["certificate"]
    assert (answer.status, shown["caType"], shown["caName"]) == (200, "external", "outside")


def test_queue_that_is_down_leaves_the_order_processing(monkeypatch: pytest.MonkeyPatch) -> None:
    client = External()

    def begin(*_: object) -> None:
        raise Unavailable("the queue does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(client.outside.work, "begin", begin)
        url = client.finalized()
    assert client.read(url).json["status"] == "processing"  # hands the request over
    assert client.outside.deliver() == ["issued"]
    assert client.chain(url)


@pytest.mark.parametrize(
    ("script", "ceiling", "detail"),
    [
        (["reject"], NARROW, "policy says no"),
        ([], None, "closed to profiles"),
        ([], Ceiling(dns=("*.example.net",)), "outside the CA's ceiling"),
    ],
    ids=["issuer", "closed", "ceiling"],
)
def test_refused_request_makes_the_order_invalid(script: list[str], ceiling: Ceiling | None, detail: str) -> None:
    client = External(*script, ceiling=ceiling)
    url = client.finalized()
    assert client.outside.deliver() == ["failed"]
    order = client.read(url).json
    assert (order["status"], "Retry-After" in client.read(url).headers) == ("invalid", False)
    assert order["error"]["type"].endswith(":unauthorized") and detail in order["error"]["detail"]
    assert client.read(f"{url}/certificate").problem == "orderNotReady"
    assert client.certificates.certificates == {}


def test_request_that_takes_too_long_makes_the_order_invalid() -> None:
    client = External("unavailable", "unavailable")
    url = client.finalized()
    assert client.outside.deliver() == ["unavailable"]
    assert client.read(url).json["status"] == "processing"
    client.authority.setting.clock.now += LONGEST
    (request,) = client.certificates.requests
    client.outside.fulfillment.run(request)
    order = client.read(url).json
    assert (order["status"], "within 7 days" in order["error"]["detail"]) == ("invalid", True)


def test_order_that_waits_longer_than_it_lives_is_not_lost() -> None:
    client = External()
    url = client.finalized()
    client.authority.setting.clock.now += 3 * DAY
    waiting = client.read(url).json
    assert (waiting["status"], "expires" in waiting) == ("processing", False)
    assert url in client.read(f"{client.key_id}/orders").json["orders"]
    assert client.outside.deliver() == ["issued"]
    assert client.chain(url)
    assert "expires" in client.read(url).json


# -- what is refused --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("member", ["notBefore", "notAfter"])
def test_dates_are_the_choice_of_the_issuer(member: str) -> None:
    client = External()
    date = to_text(client.authority.setting.clock() + DAY)
    refused = client.order(NAME, **{member: date})
    assert (refused.status, refused.problem, "chooses the dates" in refused.text) == (400, "malformed", True)


def test_dates_of_an_order_end_with_a_change_of_the_issuer() -> None:
    authority = AcmeAuthority()
    client = AcmeClient(authority)
    client.register()
    placed = client.order(NAME, notAfter=to_text(authority.setting.clock() + 5 * DAY))
    client.prove(placed.json)
    changes = {"issuer_type": "external", "issuer": "outside", "cas": ()}
    authority.setting.configuration.put(authority.profile.model_copy(update=changes))
    assert client.finalize(placed.json).problem == "orderNotReady"
    assert authority.setting.certificates.requests == {}


def test_names_are_proven_to_the_authority_too() -> None:
    client = External()
    placed = client.order(NAME)
    assert client.finalize(placed.json).problem == "orderNotReady"
    assert client.certificates.requests == {}


@pytest.mark.parametrize("more", [{"organization": "Another"}, {"extended-key-usages": ["client_auth"]}], ids=str)
def test_csr_that_asks_for_more_is_refused(more: dict[str, Any]) -> None:
    """The issuer may certify all that the CSR has."""
    client = External()
    answer = client.finalize(client.placed().json, **more)
    assert (answer.status, answer.problem) == (400, "badCSR")
    assert client.certificates.requests == {} and client.outside.work.woken == []


# -- revocation and renewal information -------------------------------------------------------------------------------
@pytest.mark.parametrize("by", ["account", "key"])
def test_revocation_is_for_the_issuer(by: str) -> None:
    client, key = External(), PrivateKey.generate("EC_prime256v1")
    url = client.finalized(key)
    client.outside.deliver()
    sender = client if by == "account" else AcmeClient(client.authority, key)
    refused = sender.revoke(client.chain(url)[0], reason=1)
    assert (refused.status, refused.problem) == (400, "malformed")
    assert "issuer outside signed the certificate: revoke it there" in refused.json["detail"]
    (record,) = client.certificates.certificates.values()
    assert record.revoked_at is None and client.certificates.compromised_keys == set()


def test_stranger_does_not_learn_the_issuer() -> None:
    client = External()
    _, chain = client.certified()
    stranger = AcmeClient(client.authority)
    stranger.register()
    assert stranger.revoke(chain[0]).problem == "unauthorized"


def test_renewal_information_and_replacement() -> None:
    client = External()
    _, chain = client.certified()
    renewal_id = certificate_id(chain[0])
    window = client.authority.call("GET", f"{client.directory['renewalInfo']}/{renewal_id}")
    assert (window.status, "suggestedWindow" in window.json) == (200, True)
    placed = client.placed(replaces=renewal_id)
    client.finalize(placed.json)
    assert client.order(NAME, replaces=renewal_id).problem == "alreadyReplaced"  # while the other one waits
    assert client.outside.deliver() == ["issued"]
    assert client.order(NAME, replaces=renewal_id).problem == "alreadyReplaced"


def test_failed_request_frees_the_certificate_that_it_replaced() -> None:
    """Its client may have given up before the request failed."""
    client = External("issue", "reject")
    _, chain = client.certified()
    renewal_id = certificate_id(chain[0])
    client.finalize(client.placed(replaces=renewal_id).json)
    assert client.outside.deliver() == ["failed"]
    assert client.order(NAME, replaces=renewal_id).status == 201


def test_repeated_serial_number_does_not_hold_up_the_order() -> None:
    """Renewal information remains that of the first certificate."""
    client = External()
    client.issuer.serial = 4711
    _, (first, _) = client.certified()
    _, (second, _) = client.certified()
    assert certificate_id(first) == certificate_id(second) and first != second
    stored = client.authority.setting.acme_orders.certificates
    assert [client.certificates.certificates[one].signed for one in stored.values()] == [first]


def test_leaf_without_issuers_is_sent_once() -> None:
    client = External()
    url = client.finalized()
    ((name, request),) = client.certificates.requests.items()
    leaf = PublicIssuer.issue(client.issuer, _request(client, name)).chain.leaf  # type: ignore[union-attr]
    record = external_record(request, Chain((leaf,)), None, client.authority.setting.clock())
    client.certificates.finish(request, record)
    assert client.chain(url) == [leaf]


def _request(client: External, name: str) -> Any:
    opened = client.outside.issuers.open("outside")
    work = client.outside.work.stored[name]
    now = client.authority.setting.clock()
    return external_orders.request_of(client.certificates.requests[name], opened, work, now, asked_before=False)


# -- deaths -----------------------------------------------------------------------------------------------------------
def die(*_: object, **__: object) -> Any:
    raise Killed


@pytest.mark.parametrize("where", ["replace", "begin", "finish"])
def test_death_on_the_way_asks_the_issuer_once(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client, key = External(), PrivateKey.generate("EC_prime256v1")
    placed = client.placed()
    url = str(placed.headers["Location"])
    stores: dict[str, Any] = {"begin": client.outside.work}
    finalize: Callable[[], Any] = lambda: client.finalize(placed.json, key)  # noqa: E731 (called three times)
    if where == "finish":
        finalize()
        assert client.outside.deliver() == ["issued"]
    with monkeypatch.context() as patch:
        patch.setattr(stores.get(where, client.authority.setting.acme_orders), where, die)
        with pytest.raises(Killed):
            finalize()
    first, second = finalize(), finalize()
    assert (first.status, second.status) == (200, 200)
    outcomes = client.outside.deliver()
    assert outcomes == ([] if where == "finish" else ["issued"])
    assert client.chain(url)[0].public_key() == key.public_key
    assert len(client.outside.ca.asked) == 1
    assert (len(client.certificates.requests), len(client.certificates.certificates)) == (1, 1)
    assert finalize().json["status"] == "valid"


# -- approvals and an issuer outside ----------------------------------------------------------------------------------
def test_issuer_is_asked_after_the_approval() -> None:
    client = External(approval=ApprovalOptions())
    url = client.finalized()
    assert client.read(url).headers["Retry-After"] == "30"
    assert client.outside.work.woken == []
    setting = client.authority.setting
    approver, _ = setting.identity("approve", name="approver")
    (request,) = client.certificates.requests
    setting.front.approvals.approve(approver, request, None)
    assert client.read(url).json["status"] == "processing"
    assert client.outside.deliver() == ["issued"]
    assert client.chain(url)
