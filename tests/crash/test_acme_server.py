"""Death of the front, the signer's caller or the validator at any call, from registration to revocation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from evercert.acme import challenges
from evercert.acme.renewal_info import certificate_id
from evercert.authority.configuration.approval_options import ApprovalOptions
from evercert.authority.infisical_api.services import Services
from evercert.authority.registration.approvals import Approver
from evercert.pki.keys import PrivateKey
from tests.crash.sampling import sample
from tests.doubles.authority.acme_client import AcmeAuthority, AcmeClient, Answer
from tests.doubles.authority.authority import Setting
from tests.doubles.authority.outside import Outside, PublicIssuer
from tests.doubles.dying import Life, Mortal
from tests.doubles.world import Killed
from tests.samples.certificates import private_key

TRIES, POLLS = 4, 12
PORTS = ("certificates", "tokens", "signer", "external", "acme_accounts", "acme_orders", "validations", "buckets")

Course = Callable[[Life], AcmeAuthority]


def mortal(life: Life) -> AcmeAuthority:
    """Return an authority whose calls of storage, signer and queue count."""
    setting = Setting()
    for name in PORTS:
        setattr(setting, name, Mortal(getattr(setting, name), life))
    setting.front = Services(setting.ports())
    setting.acme = setting._acme()
    return AcmeAuthority(setting)


class Persistent:
    """A client that repeats a request whose answer was lost, as clients do."""

    def __init__(self, authority: AcmeAuthority) -> None:
        self.authority = authority
        self.client = again(lambda: AcmeClient(authority))
        self.key = PrivateKey(private_key("EC_prime256v1"))
        assert again(self._register).status in {200, 201}

    def _register(self) -> Answer:
        self.client.key_id = None
        return self.client.register()

    def post(self, url: str, payload: Any) -> Answer:
        return again(lambda: self.client.post(url, payload))

    def issue(self, replaces: str | None = None) -> dict[str, Any]:
        """Order, answer, wait, finalize; return the order."""
        placed = again(lambda: self.client.order("www.example.com", **({"replaces": replaces} if replaces else {})))
        if placed.status == 409:  # the lost answer was that of another order, which has the slot until it ends
            placed = again(lambda: self.client.order("www.example.com"))
        assert placed.status == 201, placed.text
        url, order = placed.headers["Location"], placed.json
        self._prove(order)
        for _ in range(TRIES):
            finalized = again(lambda: self.client.finalize(placed.json, self.key))
            assert finalized.status == 200, finalized.text
            order = self.post(url, None).json
            if order["status"] == "valid":
                return order  # type: ignore[no-any-return]
        raise AssertionError(order)

    def _prove(self, order: dict[str, Any]) -> None:
        (url,) = order["authorizations"]
        challenge = next(one for one in self.post(url, None).json["challenges"] if one["type"] == "http-01")
        page = f"http://www.example.com{challenges.HTTP_PATH}{challenge['token']}"
        expected = challenges.key_authorization(challenge["token"], self.client.thumbprint)
        answered = self.post(challenge["url"], {})
        assert answered.status == 200, answered.text
        for poll in range(POLLS):
            if poll == 1:  # the first try fails
                self.authority.network.pages[page] = expected.encode()
            self.deliver()
            found = self.post(url, None).json
            if found["status"] != "pending":
                break
            self.authority.setting.clock.advance(seconds=20)
        assert found["status"] == "valid", found

    def deliver(self) -> None:
        """Run the validator for each message; a message whose run dies comes again."""
        sent = self.authority.setting.validations.sent
        for _ in range(len(sent)):
            message, _ = sent.pop(0)
            again(lambda message=message: self.authority.validator.run(*message))


def again(call: Callable[[], Any]) -> Any:
    for _ in range(TRIES):
        try:
            return call()
        except Killed:
            continue
    raise AssertionError("died more than once")


def live(life: Life) -> AcmeAuthority:
    """Register, issue, renew with `replaces`, and revoke; check what is left."""
    authority = mortal(life)
    client = Persistent(authority)
    first = client.issue()
    chain = client.post(first["certificate"], None).text
    (record, *more) = authority.setting.certificates.certificates.values()
    assert (more, record.chain != "", chain.startswith("-----BEGIN")) == ([], True, True)
    renewal = certificate_id(record.signed)
    second = client.issue(renewal)
    certificates = authority.setting.certificates.certificates
    assert len(certificates) == 2
    assert second["certificate"] != first["certificate"]
    revoked = again(lambda: client.client.revoke(record.signed))
    assert revoked.status == 200 or revoked.problem == "alreadyRevoked"
    assert certificates[record.id].revoked_at is not None
    assert len(authority.setting.acme_accounts.stored) == 1
    valid = [one for one in authority.setting.acme_orders.stored.values() if one.certificate is not None]
    assert len({one.certificate for one in valid}) == len(valid) == 2
    assert authority.setting.acme_orders.certificates.keys() >= {renewal}
    return authority


def live_waiting(life: Life) -> AcmeAuthority:
    """Order, have the order approved and signed by an issuer outside, and download; check what is left."""
    authority = mortal(life)
    setting = authority.setting
    changes = {"issuer_type": "external", "issuer": "outside", "cas": (), "approval": ApprovalOptions()}
    setting.configuration.put(authority.profile.model_copy(update=changes))
    outside = Outside(setting, kind=PublicIssuer)
    client = Persistent(authority)
    placed = again(lambda: client.client.order("www.example.com"))
    assert placed.status == 201, placed.text
    client._prove(placed.json)
    assert again(lambda: client.client.finalize(placed.json, client.key)).json["status"] == "processing"
    (request,) = setting.certificates.requests
    again(lambda: setting.decisions().approve(Approver("arn", "ops"), request))
    for _ in range(POLLS):
        order = client.post(placed.headers["Location"], None).json
        if order["status"] != "processing":
            break
        for due in again(lambda: setting.external.due(setting.clock(), 10)):
            again(lambda due=due: outside.fulfillment.run(due))
        setting.clock.advance(minutes=6)  # a run that died holds the request for five
    assert order["status"] == "valid", order
    chain = client.post(order["certificate"], None).text
    (record,) = setting.certificates.certificates.values()
    assert chain.startswith(record.certificate) and record.external == "outside"
    assert len(outside.ca.issued) == len(setting.certificates.requests) == 1
    assert setting.acme_orders.certificates == {certificate_id(record.signed): record.id}
    return authority


def moments(course: Course = live) -> int:
    life = Life(0)
    course(life)
    return life.moments


@pytest.mark.timeout(180)
def test_death_at_any_call_loses_no_order_that_waits(every: int, capsys: Any) -> None:
    total, places = moments(live_waiting), set[str]()
    assert total > 50
    chosen = sample(range(1, total + 1), every)
    for moment in chosen:
        life = Life(moment)
        live_waiting(life)
        assert len(life.died_in) == 1
        places.update(life.died_in)
    with capsys.disabled():
        print(f"\nACME server, waiting: {len(chosen)} deaths of {total} at {len(places)} places, one certificate")
    assert every > 1 or {"FakeAcmeOrders", "FakeCertificates", "FakeExternalRequests"} <= {
        place.partition(" ")[2].partition(".")[0] for place in places
    }


@pytest.mark.timeout(180)
def test_death_at_any_call_gives_one_certificate_per_order(every: int, capsys: Any) -> None:
    total, places = moments(), set[str]()
    assert total > 100
    chosen = sample(range(1, total + 1), every)
    for moment in chosen:
        life = Life(moment)
        live(life)
        assert len(life.died_in) == 1
        places.update(life.died_in)
    with capsys.disabled():
        print(f"\nACME server: {len(chosen)} deaths of {total} at {len(places)} places, one certificate for each order")
    ports = {place.partition(" ")[2].partition(".")[0] for place in places}
    all_of_them = {
        "FakeAcmeAccounts",
        "FakeAcmeOrders",
        "FakeValidations",
        "FakeBuckets",
        "FakeCertificates",
        "WiredSigner",
    }
    assert every > 1 or ports == all_of_them


def test_two_finalizes_at_once_sign_once() -> None:
    """The second request runs while the first one has not stored its request yet."""
    authority = mortal(Life(0))
    client = Persistent(authority)
    placed = client.client.order("www.example.com").json
    client._prove(placed)
    orders, nested = authority.setting.acme_orders, list[Answer]()

    class Interrupted(Mortal):
        def __getattr__(self, name: str) -> Any:
            if name == "replace" and not nested:
                nested.append(Answer(0, {}, ""))
                nested[0] = client.client.finalize(placed, client.key)
            return super().__getattr__(name)

    authority.setting.acme_orders = Interrupted(orders._inner, Life(0))
    authority.setting.acme = authority.setting._acme()
    authority.module._acme = lambda: authority.setting.acme
    answer = client.client.finalize(placed, client.key)
    assert (answer.json["status"], nested[0].json["status"]) == ("valid", "valid")
    assert answer.json["certificate"] == nested[0].json["certificate"]
    certificates = authority.setting.certificates
    assert (len(certificates.certificates), len(certificates.requests)) == (1, 1)
