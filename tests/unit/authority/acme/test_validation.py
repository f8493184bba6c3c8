"""Validation of challenges, one try after the other."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from evercert.authority.acme.authorization_service import MOST_RESENT
from evercert.authority.validation.ports import NotValidated, Page
from evercert.authority.validation.validator import DELAYS
from tests.doubles.authority.acme_client import AcmeClient

DNS = "http://{}/.well-known/acme-challenge/"


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


def test_lost_message_is_sent_again_when_the_order_is_read(client: AcmeClient) -> None:
    placed = client.order(*(f"{name}.example.com" for name in "abcde"))
    for url in placed.json["authorizations"]:
        client.post(client.read(url).json["challenges"][0]["url"], {})
    sent = client.authority.setting.validations.sent
    sent.clear()
    client.authority.setting.clock.advance(seconds=20)
    client.read(placed.headers["Location"])
    assert len(sent) == MOST_RESENT
    client.read(placed.headers["Location"])
    assert len(sent) == 5


def test_late_validation_is_sent_less_and_less_often(client: AcmeClient) -> None:
    """A validator that is behind gets few messages more; five minutes of polls would be 150."""
    url = client.order("www.example.com").json["authorizations"][0]
    client.post(client.read(url).json["challenges"][0]["url"], {})
    for _ in range(150):
        client.authority.setting.clock.advance(seconds=2)
        client.read(url)
    assert 3 <= len(client.authority.setting.validations.sent) <= 6


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


def test_client_chooses_another_challenge_after_a_failed_try(client: AcmeClient) -> None:
    """acmetool tries one challenge after the other. The tries of each remain counted."""
    url = client.order("www.example.com").json["authorizations"][0]
    first, second = client.read(url).json["challenges"]
    authority, sent = client.authority, client.authority.setting.validations.sent
    client.post(first["url"], {})
    assert authority.validator.run(*sent.pop()[0])[0] == "retry"
    (late, _) = sent.pop()
    assert client.post(second["url"], {}).status == 200
    (message, _) = sent.pop()
    assert message[2] == second["type"]
    authority.setting.clock.advance(seconds=10)
    assert (authority.validator.run(*late)[0], sent) == ("done", [])
    assert authority.validator.run(*message)[0] == "retry"
    sent.clear()
    assert client.post(first["url"], {}).status == 200
    assert sent.pop()[0][3] == 1


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
