"""Orders of a profile whose requests others approve."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from evercert.acme.renewal_info import certificate_id
from evercert.authority.api_errors import Refusal
from evercert.authority.configuration.approval_options import ApprovalOptions
from evercert.authority.configuration.identity import Identity
from evercert.authority.policy.policy import Policy
from evercert.authority.registration.approval_notices import ApprovalNotices
from evercert.authority.registration.approvals import Approver
from evercert.pki.keys import PrivateKey
from evercert.timestamps import to_text
from tests.doubles.authority.acme_client import AcmeAuthority, AcmeClient
from tests.doubles.authority.authority import ANYTHING
from tests.doubles.world import Killed

NAME = "www.example.com"
DAY = timedelta(days=1)
OPERATOR = Approver("arn:aws:iam::123456789012:user/ops", "arn:aws:iam::123456789012:user/ops")


class Approved(AcmeClient):
    """A client of a profile with approvals."""

    def __init__(self, authority: AcmeAuthority | None = None, **options: Any) -> None:
        authority = authority or AcmeAuthority()
        approval = ApprovalOptions.model_validate(options)
        authority.profile = authority.profile.model_copy(update={"approval": approval})
        authority.setting.configuration.put(authority.profile)
        super().__init__(authority)

    @classmethod
    def registered(cls, **options: Any) -> Approved:
        client = cls(**options)
        assert client.register().status == 201
        return client

    def finalized(self, key: PrivateKey | None = None, **members: Any) -> str:
        """Place and finalize an order; return its URL."""
        placed = self.order(NAME, **members)
        assert placed.status == 201, placed.text
        self.prove(placed.json)
        answer = self.finalize(placed.json, key)
        assert (answer.status, answer.json["status"]) == (200, "processing"), answer.text
        return str(placed.headers["Location"])

    @property
    def waiting(self) -> str:
        """Id of the newest request."""
        return list(self.authority.setting.certificates.requests)[-1]

    def approve(self) -> None:
        self.authority.setting.decisions().approve(OPERATOR, self.waiting)

    def reject(self, reason: str = "") -> None:
        self.authority.setting.decisions().reject(OPERATOR, self.waiting, reason)

    def notices(self) -> list[str]:
        """Run the schedule; return the states."""
        setting = self.authority.setting

        class Announcer:
            def approval(self, *_: object) -> None: ...

        notices = ApprovalNotices(setting.certificates, setting.front.fulfillment, Announcer(), setting.clock)
        return [one.state for one in notices.run()]

    @property
    def signed(self) -> int:
        return len(self.authority.setting.ledger.intents)


@pytest.fixture
def approved() -> Approved:
    return Approved.registered()


# -- the end of the wait ----------------------------------------------------------------------------------------------
def test_order_waits_for_an_approval(approved: Approved) -> None:
    url = approved.finalized()
    waiting = approved.read(url)
    assert (waiting.json["status"], waiting.headers["Retry-After"], approved.signed) == ("processing", "30", 0)
    approved.approve()
    order = approved.read(url).json
    assert order["status"] == "valid"
    assert approved.read(order["certificate"]).status == 200


def test_several_approvals_are_needed() -> None:
    client = Approved.registered(needed=2)
    url = client.finalized()
    client.approve()
    assert client.read(url).json["status"] == "processing"
    client.authority.setting.decisions().approve(Approver("another", "another"), client.waiting)
    assert client.read(url).json["status"] == "valid"


def test_rejected_order_is_invalid(approved: Approved) -> None:
    url = approved.finalized()
    approved.reject("wrong domain")
    answer = approved.read(url)
    assert (answer.json["status"], "Retry-After" in answer.headers) == ("invalid", False)
    assert answer.json["error"] == {
        "type": "urn:ietf:params:acme:error:unauthorized",
        "detail": "rejected by an approver: wrong domain",
        "status": 403,
    }
    assert OPERATOR.name not in answer.text and approved.signed == 0


def test_rejection_needs_no_reason(approved: Approved) -> None:
    url = approved.finalized()
    approved.reject()
    assert approved.read(url).json["error"]["detail"] == "rejected by an approver"


def test_late_order_is_invalid(approved: Approved) -> None:
    url = approved.finalized()
    approved.authority.setting.clock.now += 7 * DAY
    order = approved.read(url).json
    assert (order["status"], "not approved" in order["error"]["detail"]) == ("invalid", True)
    assert order["error"]["type"].endswith(":unauthorized")


def test_refusal_by_the_signer_makes_the_order_invalid(approved: Approved) -> None:
    url = approved.finalized()
    setting = approved.authority.setting
    (ca,) = [one for one in setting.cas.values() if one.name == "EC-issuing"]
    approved.approve()
    setting.configuration.put(ca.model_copy(update={"ceiling": ca.ceiling.model_copy(update={"dns": ()})}))  # type: ignore[union-attr]
    order = approved.read(url).json
    assert (order["status"], order["error"]["type"].rpartition(":")[2]) == ("invalid", "badCSR")


def test_order_that_waits_for_months_is_not_lost() -> None:
    client = Approved.registered(within="60d")
    url = client.finalized()
    setting = client.authority.setting
    setting.clock.now += 59 * DAY
    order = client.read(url).json
    assert (order["status"], "expires" in order) == ("processing", False)
    client.approve()
    assert client.notices() == ["approved"]  # signs it, without a poll of the client
    setting.clock.now += DAY
    order = client.read(url).json
    assert order["status"] == "valid"
    (leaf, *_) = x509.load_pem_x509_certificates(client.read(order["certificate"]).text.encode())
    assert leaf.not_valid_after_utc > setting.clock() + 28 * DAY  # of 30 days, from the approval
    renewal = client.authority.call("GET", f"{client.directory['renewalInfo']}/{certificate_id(leaf)}")
    assert renewal.status == 200


def test_storage_keeps_the_order_until_the_end_of_the_wait(approved: Approved, monkeypatch: pytest.MonkeyPatch) -> None:
    orders, kept = approved.authority.setting.acme_orders, []
    replace = orders.replace

    def record(changed: Any, waits_until: Any = None) -> bool:
        if changed.closed == "processing":
            kept.append(waits_until)
        return replace(changed, waits_until)

    monkeypatch.setattr(orders, "replace", record)
    approved.finalized()
    assert kept == [approved.authority.setting.clock() + 7 * DAY]


def test_rejection_frees_the_certificate_that_the_order_replaced(approved: Approved) -> None:
    """Its client may have given up before the rejection."""
    first = approved.finalized()
    approved.approve()
    chain = approved.read(approved.read(first).json["certificate"]).text
    renewal_id = certificate_id(x509.load_pem_x509_certificates(chain.encode())[0])
    approved.finalized(replaces=renewal_id)
    assert approved.order(NAME, replaces=renewal_id).problem == "alreadyReplaced"
    approved.reject()
    assert approved.order(NAME, replaces=renewal_id).status == 201


# -- dates ------------------------------------------------------------------------------------------------------------
def test_end_of_the_order_stays() -> None:
    client = Approved.registered()
    end = (client.authority.setting.clock() + 20 * DAY).replace(microsecond=0)
    url = client.finalized(notAfter=to_text(end))
    client.authority.setting.clock.now += 5 * DAY
    client.approve()
    assert client.read(url).json["status"] == "valid"
    (record,) = client.authority.setting.certificates.certificates.values()
    assert record.not_after == end
    assert record.not_before >= client.authority.setting.clock() - timedelta(minutes=6)


def test_order_whose_end_passed_cannot_be_approved() -> None:
    client = Approved.registered()
    url = client.finalized(notAfter=to_text(client.authority.setting.clock() + 2 * DAY))
    client.authority.setting.clock.now += 2 * DAY
    with pytest.raises(Refusal, match=r"the requested notAfter .* has passed"):
        client.approve()
    assert (client.read(url).json["status"], client.signed) == ("processing", 0)


def test_begin_that_lies_ahead_stays() -> None:
    client = Approved.registered()
    begin = (client.authority.setting.clock() + 10 * DAY).replace(microsecond=0)
    client.finalized(notBefore=to_text(begin), notAfter=to_text(begin + 5 * DAY))
    client.authority.setting.clock.now += 5 * DAY
    client.approve()
    assert client.notices() == ["approved"]
    (record,) = client.authority.setting.certificates.certificates.values()
    assert (record.not_before, record.not_after) == (begin, begin + 5 * DAY)


# -- what the approval checks -----------------------------------------------------------------------------------------
def fetching(authority: AcmeAuthority, *permissions: str) -> tuple[Approved, Identity]:
    """Return a client whose account has the credential of an identity, and the identity."""
    identity, _ = authority.setting.identity(*permissions)
    client = Approved(authority)
    credential, mac_key = authority.setting.credentials.issue(identity, authority.profile)
    assert client.register((credential.id, mac_key)).status == 201
    return client, identity


def test_identity_cannot_approve_the_order_of_its_own_account() -> None:
    client, identity = fetching(AcmeAuthority(), "request", "approve")
    client.finalized()
    own = Approver(identity.id, identity.name)
    for decide in (client.authority.setting.decisions().approve, client.authority.setting.decisions().reject):
        with pytest.raises(Refusal, match="your own"):
            decide(own, client.waiting)
    client.approve()


def _stop_acme(client: Approved, _: Identity) -> None:
    changed = client.authority.profile.model_copy(update={"enrollment": "api"})
    client.authority.setting.configuration.put(changed)


def _deactivate(client: Approved, _: Identity) -> None:
    assert client.post(str(client.key_id), {"status": "deactivated"}).status == 200


def _take_permission(client: Approved, identity: Identity) -> None:
    client.authority.setting.configuration.put(identity.model_copy(update={"grants": ()}))


def _delete_identity(client: Approved, identity: Identity) -> None:
    client.authority.setting.configuration.remove(identity)


@pytest.mark.parametrize("change", [_stop_acme, _deactivate, _take_permission, _delete_identity])
def test_approval_checks_the_account(change: Callable[[Approved, Identity], None]) -> None:
    client, identity = fetching(AcmeAuthority(), "request")
    client.finalized()
    change(client, identity)
    with pytest.raises(Refusal, match="reject the request"):
        client.approve()
    assert client.signed == 0
    client.reject()


def test_approval_checks_the_credential_of_an_operator() -> None:
    authority = AcmeAuthority(eab="required")
    credential, mac_key = authority.credential()
    client = Approved(authority)
    client.register((credential.id, mac_key))
    client.finalized()
    authority.setting.configuration.put(credential.model_copy(update={"revoked": True}))
    with pytest.raises(Refusal, match="credential of the ACME account was revoked"):
        client.approve()


def test_approval_needs_a_credential_that_is_required_by_now(approved: Approved) -> None:
    approved.finalized()
    options = approved.authority.profile.acme
    assert options is not None
    changed = approved.authority.profile.model_copy(update={"acme": options.model_copy(update={"eab": "required"})})
    approved.authority.setting.configuration.put(changed)
    with pytest.raises(Refusal, match="requires credentials by now"):
        approved.approve()


def test_approval_checks_that_the_profile_is_the_same(approved: Approved) -> None:
    approved.finalized()
    approved.authority.setting.configuration.put(approved.authority.profile.model_copy(update={"generation": "later"}))
    with pytest.raises(Refusal, match="another one has its name"):
        approved.approve()


def test_approval_checks_the_policy(approved: Approved) -> None:
    approved.finalized()
    policy = Policy.model_validate({**ANYTHING, "sans": [{"type": "dns_name", "allowed": ["*.example.net"]}]})
    approved.authority.setting.configuration.put(approved.authority.profile.model_copy(update={"policy": policy}))
    with pytest.raises(Refusal, match="now violates the policy"):
        approved.approve()


# -- deaths -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("where", ["replace", "finish"])
def test_death_on_the_way_signs_once(approved: Approved, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    placed, key = approved.order(NAME), PrivateKey.generate("EC_prime256v1")
    approved.prove(placed.json)
    url = str(placed.headers["Location"])

    def die(*_: object) -> bool:
        raise Killed

    def finalize() -> Any:
        return approved.finalize(placed.json, key)

    if where == "finish":
        finalize()
        approved.approve()
    with monkeypatch.context() as patch:
        patch.setattr(approved.authority.setting.acme_orders, where, die)
        with pytest.raises(Killed):
            finalize()
    if where == "replace":  # approved before the client comes back
        approved.approve()
        assert approved.notices() == ["approved"]
    first, second = finalize(), finalize()
    assert [one.json["status"] for one in (first, second)] == ["valid", "valid"]
    chain = approved.read(approved.read(url).json["certificate"]).text
    assert x509.load_pem_x509_certificates(chain.encode())[0].public_key() == key.public_key
    assert (len(approved.authority.setting.certificates.requests), approved.signed) == (1, 1)
