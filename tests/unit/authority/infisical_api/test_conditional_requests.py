"""HEAD and conditional requests on CRLs and CA certificates (RFC 9110)."""

from __future__ import annotations

from email.utils import format_datetime

import pytest

from tests.doubles.authority.client import MANAGER, Client
from tests.doubles.authority.server import CONTEXT


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setenv("STACK_NAME", "world")
    found = Client()
    found.module.handler({"task": "crl"}, CONTEXT)
    found.token = None
    return found


@pytest.fixture(params=["crl", "certificate"])
def target(request: pytest.FixtureRequest, client: Client) -> str:
    ca = client.setting.cas["EC-issuing"]
    paths = {"crl": f"crl/{ca.id}/der", "certificate": f"ca/internal/{ca.id}/certificates/{ca.current.id}/der"}
    return f"{MANAGER}/{paths[request.param]}"


def test_head_returns_the_headers_without_content(client: Client, target: str) -> None:
    full, head = client.get(target), client.call("HEAD", target)
    assert (full.status, head.status, head.body) == (200, 200, b"")
    assert head.headers == full.headers | {"content-length": str(len(full.body))}
    assert {"etag", "last-modified", "cache-control"} <= head.headers.keys()


def test_head_of_missing_file_is_not_found(client: Client) -> None:
    assert client.call("HEAD", f"{MANAGER}/crl/x/der").status == 404


def test_head_of_other_routes_is_not_found(client: Client) -> None:
    assert client.call("HEAD", f"{MANAGER}/certificates").status == 404


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_known_entity_tag_is_not_sent_again(client: Client, target: str, form: str) -> None:
    full = client.get(target)
    again = client.get(target, if_none_match=form.format(full.headers["etag"]))
    assert (again.status, again.body) == (304, b"")
    assert {name: again.headers[name] for name in ("etag", "last-modified", "cache-control")} == {
        name: full.headers[name] for name in ("etag", "last-modified", "cache-control")
    }


@pytest.mark.parametrize("tag", ['"other"', "", "*x", "W/"])
def test_unknown_entity_tag_gets_content(client: Client, target: str, tag: str) -> None:
    full = client.get(target)
    again = client.get(target, if_none_match=tag, if_modified_since=full.headers["last-modified"])
    assert (again.status, again.body) == (200, full.body)  # If-None-Match takes precedence


def test_unmodified_since_is_not_sent_again(client: Client, target: str) -> None:
    full = client.get(target)
    assert client.get(target, if_modified_since=full.headers["last-modified"]).status == 304


@pytest.mark.parametrize("text", ["", "yesterday", "Thu, 01 Jan 1970 00:00:00 GMT", "99999999999", "Mon, 99 Foo 2026"])
def test_old_or_invalid_date_gets_content(client: Client, target: str, text: str) -> None:
    assert client.get(target, if_modified_since=text).status == 200


def test_new_list_is_modified_although_backdated(client: Client) -> None:
    """A client sends the time of its download, which is later than thisUpdate of the next list."""
    crl = f"{MANAGER}/crl/{client.setting.cas['EC-issuing'].id}/der"
    client.setting.clock.advance(minutes=1)
    since = format_datetime(client.setting.now(), usegmt=True)
    assert client.get(crl, if_modified_since=since).status == 304
    client.setting.clock.advance(minutes=1)
    client.module.handler({"task": "crl"}, CONTEXT)
    found = client.get(crl, if_modified_since=since)
    assert found.status == 200
    assert found.headers["last-modified"] == format_datetime(client.setting.now().replace(microsecond=0), usegmt=True)


def test_last_modified_is_never_in_the_future(client: Client) -> None:
    client.setting.clock.advance(minutes=-30)
    found = client.get(f"{MANAGER}/crl/{client.setting.cas['EC-issuing'].id}/der")
    assert found.headers["last-modified"] == format_datetime(client.setting.now().replace(microsecond=0), usegmt=True)
