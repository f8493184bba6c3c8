"""Requests to absolute URLs of one server: sent exactly as written, or refused; content made for each attempt."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count

import pytest

from evercert.errors import EvercertError, Misconfigured, OutOfTime, Throttled, Unavailable
from evercert.http_client.client import ATTEMPT_LIMIT, LONGEST_URL
from evercert.http_client.response import Content, Response
from evercert.http_client.retry import Retry
from tests.contract.http_client.test_client import HOST, Bench, error_of
from tests.doubles.raw_server import RawServer, drop, half, reply, server_context

JOSE = "application/jose+json"
CHAIN = "application/pem-certificate-chain"


@pytest.fixture(autouse=True)
def _close_clients() -> Iterator[None]:
    yield
    while Bench.instances:
        Bench.instances.pop().http.close()


def url(raw: RawServer, target: str = "/acme/order/1") -> str:
    return f"http://127.0.0.1:{raw.port}{target}"


def numbered(media_type: str = JOSE) -> Callable[[], Content]:
    """Return a function that makes other content at each call, as a signature with a nonce does."""
    numbers = count(1)
    return lambda: Content(f"signed {next(numbers)}".encode(), media_type)


def words(response: Response) -> str:
    return response.body.decode()


# ---------------------------------------------------------------- what is sent


def test_exchange_sends_media_type_and_accept() -> None:
    with RawServer(reply(201, {"a": 1}, Replay_Nonce="n1"), tls=server_context(HOST)) as raw:
        server = Bench().server(raw, tls=True)
        answer = server.exchange("POST", f"https://{HOST}:{raw.port}/acme/order", numbered(), accept=CHAIN)
    assert (answer.status, answer.json(), answer.headers["replay-nonce"]) == (201, {"a": 1}, "n1")
    (heard,) = raw.heard
    assert (heard.method, heard.target, heard.body) == ("POST", "/acme/order", b"signed 1")
    assert (heard.headers["content-type"], heard.headers["accept"]) == (JOSE, CHAIN)
    assert heard.headers["host"] == f"{HOST}:{raw.port}"
    assert heard.headers["user-agent"].startswith("evercert/")
    assert not {"authorization", "cookie"} & set(heard.headers)


def test_exchange_accepts_json_by_default() -> None:
    with RawServer(reply()) as raw:
        Bench().server(raw).exchange("GET", url(raw))
    (heard,) = raw.heard
    assert (heard.headers["accept"], heard.body) == ("application/json", b"")
    assert "content-type" not in heard.headers


def test_exchange_reads_headers_of_an_empty_response() -> None:
    with RawServer(reply(200, b"", Replay_Nonce="n1")) as raw:
        answer = Bench().server(raw).exchange("HEAD", url(raw))
    assert (raw.heard[0].method, answer.headers["replay-nonce"], answer.body) == ("HEAD", "n1", b"")


def test_exchange_ignores_the_path_of_the_address() -> None:
    with RawServer(reply()) as raw:
        Bench().http.server(url(raw, "/acme/directory")).exchange("GET", url(raw, "/other"))
    assert raw.heard[0].target == "/other"


def test_exchange_makes_content_for_each_attempt() -> None:
    with RawServer(reply(503), drop, half, reply(200, {"a": 1})) as raw:
        assert Bench().server(raw).exchange("POST", url(raw), numbered()).json() == {"a": 1}
    assert [heard.body for heard in raw.heard] == [b"signed 1", b"signed 2", b"signed 3", b"signed 4"]


def test_exchange_sends_nothing_without_content() -> None:
    def refuse() -> Content:
        raise Unavailable("no nonce")

    with RawServer(reply()) as raw:
        assert str(error_of(lambda: Bench().server(raw).exchange("POST", url(raw), refuse))) == "no nonce"
    assert raw.heard == []


def test_exchange_ends_within_the_claim() -> None:
    with RawServer(reply()) as raw:
        bench = Bench()
        bench.deadline.begin(bench.clock() + ATTEMPT_LIMIT - timedelta(milliseconds=1))
        assert isinstance(error_of(lambda: bench.server(raw).exchange("POST", url(raw), numbered())), OutOfTime)
    assert raw.heard == []


# ---------------------------------------------------------------- URLs


@pytest.mark.parametrize(
    "target",
    [
        "/", "//", "//evil.test/x", "/a//b/", "/a%2Fb", "/a%2fb%c3%A9", "/%41", "/x?", "/?", "/x?a=1&b=%20+", "/x?a?b/../c", "/x??",
        "/.a/..b/...", "/a.", "/!$&'()*+,;=:@-._~", "/x?!$&'()*+,;=:@/?-._~", "/x?next=http://evil.test/", "/a%00b", "/a%0d%0aX:%20y",
        "/%ff", "/%25", "/a;b=c",
    ],
)  # fmt: skip
def test_exchange_sends_the_url_as_it_is_written(target: str) -> None:
    with RawServer(reply()) as raw:
        assert Bench().server(raw).exchange("GET", url(raw, target)).status == 200
    assert [heard.target for heard in raw.heard] == [target]


@pytest.mark.parametrize(
    "target",
    [
        "/a b", " /a", "/a ", "/a\tb", "/a\nb", "/a\r\nX: y", "/a\x00", "/\u00e9", "/\u2028", "/a\\b", "\\", "/a#b", "/a#", "/a?b#c", "/%",
        "/%4", "/%zz", "/a%2", "/x?%g0", "/x?a b", "/x?\u00e9", '/a"b', "/<a>", "/a{b}", "/a|b", "/a^b", "/a`b", "/[a]", "", "?a=b", "#a",
        "/.", "/..", "/a/./b", "/a/../b", "/a/..", "/../..?x", "/%2e", "/a/%2E%2e/b", "/a/.%2e",
    ],
    ids=ascii,
)  # fmt: skip
def test_exchange_refuses_urls_that_clients_change(target: str) -> None:
    with RawServer(reply()) as raw:
        error = error_of(lambda: Bench().server(raw).exchange("POST", url(raw, target), numbered()))
    assert isinstance(error, Misconfigured)
    assert str(error).startswith(f"http://127.0.0.1:{raw.port} gave an invalid URL: ")
    assert str(error).endswith("; check the address")
    assert raw.connections == 0


def test_exchange_either_sends_or_refuses_any_target() -> None:
    """Random targets: the server receives exactly those that are not refused."""
    chance = random.Random(8555)
    alphabet = [*string.printable, "%41", "%2f", "%2E", "..", "/", "/./", "?", "\u00e9", "\U0001f600"]
    sent = []
    with RawServer(reply()) as raw:
        server = Bench().server(raw)
        for _ in range(1_500):
            target = "/" + "".join(chance.choices(alphabet, k=chance.randint(0, 6)))
            try:
                server.exchange("GET", url(raw, target))
            except EvercertError as error:
                assert isinstance(error, Misconfigured)
                assert str(error).isprintable()
            else:
                sent.append(target)
    assert [heard.target for heard in raw.heard] == sent
    assert 200 < len(sent) < 1_300


@pytest.mark.parametrize(("length", "accepted"), [(LONGEST_URL, True), (LONGEST_URL + 1, False), (70_000, False)])
def test_exchange_limits_the_length_of_urls(length: int, accepted: bool) -> None:
    with RawServer(reply()) as raw:
        server = Bench().server(raw)
        target = "/" + "a" * (length - len(url(raw, "/")))
        if accepted:
            server.exchange("GET", url(raw, target))
        else:
            message = str(error_of(lambda: server.exchange("GET", url(raw, target))))
            assert "gave an invalid URL" in message
            assert len(message) < 400
    assert [heard.target for heard in raw.heard] == [target] * accepted


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:{other}/x", "http://localhost:{port}/x", "https://127.0.0.1:{port}/x", "http://127.0.0.1/x", "http://[::1]:{port}/x",
        "http://127.0.0.2:{port}/x", "http://ca.test/x", "https://sub.127.0.0.1.test:{port}/x", "http://127.0.0.1.evil.test:{port}/x",
    ],
)  # fmt: skip
def test_exchange_refuses_another_origin(address: str) -> None:
    with RawServer(reply()) as raw, RawServer(reply()) as other:
        wrong = address.format(port=raw.port, other=other.port)
        error = error_of(lambda: Bench().server(raw).exchange("POST", wrong, numbered()))
    assert isinstance(error, Misconfigured)
    assert str(error).startswith(f"http://127.0.0.1:{raw.port} gave a URL of another host, which is not contacted: ")
    assert wrong in str(error)
    assert (raw.connections, other.connections) == (0, 0)


@pytest.mark.parametrize(
    "address",
    [
        "http://user:canary-body@127.0.0.1:{port}/x", "http://127.0.0.1:{port}@127.0.0.1:{other}/x", "http://127.0.0.1:{other}\\@127.0.0.1:{port}/x",
        "http://127.0.0.1:{port}?/x", "http://127.0.0.1:{port}#/x", "//127.0.0.1:{port}/x", "/x", "x", "http:///x", "http:/127.0.0.1:{port}/x",
        "file:///etc/passwd", "ftp://127.0.0.1:{port}/x", "javascript://127.0.0.1:{port}/x", "http://127.0.0.1:99999/x", "http://127.0.0.1:x/x",
        " http://127.0.0.1:{port}/x", "http://127.0.0.1 :{port}/x", "http://127.0.0.1\n:{port}/x", "http://[::1/x", "http://[x]:{port}/x",
        "http://127.1:{port}/x", "http://%31%32%37.0.0.1:{port}/x", "http://127.0.0.1:{port}.evil.test/x", "http://\u00e9\u2488:{port}/x", "http://:{port}/x",
    ],
    ids=ascii,
)  # fmt: skip
def test_exchange_refuses_invalid_addresses(address: str) -> None:
    with RawServer(reply()) as raw, RawServer(reply()) as other:
        wrong = address.format(port=raw.port, other=other.port)
        error = error_of(lambda: Bench().server(raw).exchange("POST", wrong, numbered()))
    assert isinstance(error, Misconfigured)
    assert len(str(error)) < 400
    assert (raw.connections, other.connections) == (0, 0)


def test_exchange_accepts_other_spellings_of_its_origin() -> None:
    with RawServer(reply(), tls=server_context(HOST)) as raw:
        server = Bench().server(raw, tls=True)
        for address in (
            f"HTTPS://{HOST}:{raw.port}/x",
            f"https://CA.Test:{raw.port}/x",
            f"https://ca.test:0{raw.port}/x",
        ):
            assert server.exchange("GET", address).status == 200
    assert {(heard.target, heard.headers["host"]) for heard in raw.heard} == {("/x", f"{HOST}:{raw.port}")}


# ---------------------------------------------------------------- responses


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_exchange_follows_no_redirect(status: int) -> None:
    with RawServer(reply()) as other, RawServer(reply(status, Location=url(other))) as raw:
        error = error_of(lambda: Bench().server(raw).exchange("POST", url(raw), numbered(), explain=words))
    assert isinstance(error, Misconfigured)
    assert f"{status}, a redirect, which is not followed; it points to http://127.0.0.1:{other.port}:" in str(error)
    assert (len(raw.heard), other.connections) == (1, 0)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_exchange_returns_client_errors_once(status: int) -> None:
    asked = []
    with RawServer(reply(status, {"type": "urn:ietf:params:acme:error:malformed"}, Replay_Nonce="n1")) as raw:
        bench = Bench()
        answer = bench.server(raw).exchange(
            "POST", url(raw, "/x?a=1"), numbered(), explain=lambda found: asked.append(found) or ""
        )
    assert (answer.status, answer.headers["replay-nonce"]) == (status, "n1")
    assert answer.operation == f"POST {url(raw, '/x')}"
    assert (len(raw.heard), bench.delays, asked) == (1, [], [])


def test_exchange_raises_a_throttle_with_words() -> None:
    with RawServer(reply(429, b"too many orders for example.com", Retry_After="60")) as raw:
        bench = Bench()
        error = error_of(lambda: bench.server(raw).exchange("POST", url(raw), numbered(), explain=words))
    assert isinstance(error, Throttled)
    assert error.retry_after == timedelta(seconds=60)
    assert str(error) == f"POST {url(raw)} answered 429: too many orders for example.com"
    assert (len(raw.heard), bench.delays) == (1, [])


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_exchange_raises_an_outage_with_words(status: int) -> None:
    bodies = [reply(status, b"first"), reply(status, b"second"), reply(status, b"maintenance until noon")]
    with RawServer(*bodies) as raw:
        server = Bench().server(raw, retry=Retry(max_retries=2))
        error = error_of(lambda: server.exchange("POST", url(raw, "/x?a=1"), numbered(), explain=words))
    assert isinstance(error, Unavailable)
    assert not isinstance(error, Throttled)
    assert str(error) == f"POST {url(raw, '/x')} answered {status}: maintenance until noon"
    assert len(raw.heard) == 3


def test_exchange_raises_an_outage_without_words() -> None:
    with RawServer(reply(503, b"<html>canary-body</html>")) as raw:
        server = Bench().server(raw, retry=Retry(max_retries=0))
        plain = error_of(lambda: server.exchange("GET", url(raw)))
        silent = error_of(lambda: server.exchange("GET", url(raw), explain=lambda _: ""))
    assert str(plain) == str(silent) == f"GET {url(raw)} answered 503"


def test_exchange_waits_as_the_server_asks() -> None:
    with RawServer(reply(503, Retry_After="2"), reply()) as raw:
        bench = Bench()
        assert bench.server(raw).exchange("POST", url(raw), numbered()).status == 200
    assert bench.delays == [timedelta(seconds=2)]
