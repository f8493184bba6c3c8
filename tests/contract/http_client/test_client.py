"""HTTPS client for issuers over real connections: allowed addresses, TLS, responses, retries and time limits."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from evercert.deadline import Deadline
from evercert.errors import AnswerLost, EvercertError, Misconfigured, OutOfTime, Throttled, Unavailable
from evercert.http_client import trust
from evercert.http_client.client import ATTEMPT_LIMIT, LAST_START, HTTPClient, ServerClient
from evercert.http_client.retry import Retry, retry_after
from evercert.http_client.transport import MAX_RESPONSE_BYTES, system_resolve
from evercert.origins import Hosts
from tests.doubles.fakes import HandClock
from tests.doubles.raw_server import RawServer, bundle, drip, drop, half, hang, reply, server_context

HOST = "ca.test"
TOKEN = "canary-bearer"
SECRET = "canary-body"


class Bench:
    """Client whose names all resolve to this machine, with a clock that only waiting advances."""

    instances: ClassVar[list[Bench]] = []

    def __init__(self, **options: Any) -> None:
        self.clock = HandClock()
        self.deadline = Deadline(self.clock)
        self.delays: list[timedelta] = []
        options = {"local": True, "resolve": lambda _host, _port: ["127.0.0.1"], **options}
        self.http = HTTPClient(Hosts([HOST, "localhost", "127.0.0.1"]), self.deadline, self.clock, self.wait, **options)
        self.instances.append(self)

    def wait(self, span: timedelta) -> None:
        self.delays.append(span)
        self.clock.now += span

    def server(self, raw: RawServer, *, tls: bool = False, **options: Any) -> ServerClient:
        if tls:
            return self.http.server(f"https://{HOST}:{raw.port}", **{"ca_bundle": bundle(), **options})
        return self.http.server(f"http://127.0.0.1:{raw.port}", **options)


@pytest.fixture(autouse=True)
def _close_clients() -> Iterator[None]:
    yield
    while Bench.instances:
        Bench.instances.pop().http.close()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def error_of(call: Callable[[], Any]) -> EvercertError:
    """Return the error that the call raises; check that no text in its causes contains sent data."""
    with pytest.raises(EvercertError) as raised:
        call()
    cause: BaseException | None = raised.value
    while cause is not None:
        assert TOKEN not in f"{cause}{cause!r}"
        assert SECRET not in f"{cause}{cause!r}"
        cause = cause.__cause__
    assert str(raised.value).isprintable()
    return raised.value


def post(server: ServerClient, **options: Any) -> Any:
    return server.call("POST", "/v1/things?secret=canary-body", body={"value": SECRET}, token=TOKEN, **options)


def test_call_sends_token_and_json() -> None:
    with RawServer(reply(201, {"a": 1}, X_Thing="yes"), tls=server_context(HOST)) as raw:
        answer = post(Bench().server(raw, tls=True))
    assert (answer.status, answer.json(), answer.headers["x-thing"]) == (201, {"a": 1}, "yes")
    (heard,) = raw.heard
    assert (heard.method, heard.target, json.loads(heard.body)) == (
        "POST",
        "/v1/things?secret=canary-body",
        {"value": SECRET},
    )
    assert heard.headers["authorization"] == f"Bearer {TOKEN}"
    assert heard.headers["host"] == f"{HOST}:{raw.port}"
    assert heard.headers["user-agent"].startswith("evercert/")
    assert "cookie" not in heard.headers


def test_call_without_token_and_body_omits_headers() -> None:
    with RawServer(reply()) as raw:
        Bench().server(raw).call("GET", "/v1/things")
    assert not {"authorization", "content-type"} & set(raw.heard[0].headers)


def test_call_prepends_the_path_of_the_address() -> None:
    with RawServer(reply()) as raw:
        Bench().http.server(f"http://127.0.0.1:{raw.port}/infisical/api/").call("GET", "/v1/things")
    assert raw.heard[0].target == "/infisical/api/v1/things"


def test_connection_is_reused() -> None:
    with RawServer(reply(), tls=server_context(HOST)) as raw:
        server = Bench().server(raw, tls=True)
        for _ in range(3):
            server.call("GET", "/")
    assert (len(raw.heard), raw.connections) == (3, 1)


def test_cookies_are_not_sent_back() -> None:
    with RawServer(reply(Set_Cookie="a=b")) as raw:
        server = Bench().server(raw)
        server.call("GET", "/")
        server.call("GET", "/")
    assert "cookie" not in raw.heard[1].headers


def test_proxy_variables_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(reply()) as raw, RawServer(reply()) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert Bench().server(raw).call("GET", "/").status == 200
    assert proxy.connections == 0


# ---------------------------------------------------------------- allowed addresses


@pytest.mark.parametrize("address", ["http://app.infisical.com", "ftp://app.infisical.com", "app.infisical.com", ""])
def test_address_must_be_https(address: str) -> None:
    http = HTTPClient(Hosts.of("app.infisical.com"), Deadline(HandClock()), HandClock(), lambda _: None, local=True)
    with pytest.raises(Misconfigured, match="https://"):
        http.server(address)


def test_host_must_be_allowed() -> None:
    http = Bench().http
    with pytest.raises(Misconfigured, match=r"not allowed: add evil\.test to the stack's parameter IssuerHosts"):
        http.server("https://evil.test")
    assert http.server(f"https://{HOST}").origin.host == HOST


def test_loopback_is_refused_by_default() -> None:
    with RawServer(reply()) as raw:
        strict = Bench(local=False)
        with pytest.raises(Misconfigured, match="must be https"):
            strict.server(raw)
        error = error_of(lambda: strict.http.server(f"https://127.0.0.1:{raw.port}").call("GET", "/"))
        assert isinstance(error, Misconfigured)
        assert "loopback" in str(error)
    assert raw.connections == 0


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "0.0.0.0", "::", "169.254.169.254", "169.254.170.2",
     "::ffff:169.254.169.254", "fe80::1", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "224.0.0.1", "ff02::1", "2002:7f00:1::"],
)  # fmt: skip
def test_forbidden_addresses_are_not_contacted(address: str) -> None:
    """The host is allowed, but one of its addresses is not; the client opens no connection to any of them."""
    bench = Bench(local=False, resolve=lambda _host, _port: ["192.0.2.1", address])
    begun = time.monotonic()
    error = error_of(lambda: post(bench.http.server(f"https://{HOST}")))
    assert isinstance(error, Misconfigured)
    assert f"refused to connect to {HOST}: it resolves to {address}" in str(error)
    assert time.monotonic() - begun < 1.5  # a connection to 192.0.2.1 would take until the time limit
    assert bench.delays == []


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "100.100.100.200", "0.0.0.0"])
def test_local_option_allows_only_loopback(address: str) -> None:
    bench = Bench(resolve=lambda _host, _port: [address])
    assert "refused to connect to" in str(error_of(lambda: post(bench.http.server(f"https://{HOST}"))))


def test_name_is_resolved_once_per_connection() -> None:
    """Prevent DNS rebinding: connect to the address that was checked."""
    answers = [["127.0.0.1"], ["169.254.169.254"]]
    with RawServer(reply(), tls=server_context(HOST)) as raw:
        server = Bench(resolve=lambda _host, _port: answers.pop(0)).server(raw, tls=True)
        assert server.call("GET", "/").status == 200
        assert len(answers) == 1
        server.call("GET", "/")
    assert (raw.connections, len(answers)) == (1, 1)


def test_rebound_name_is_refused_at_the_next_connection() -> None:
    answers = [["127.0.0.1"], ["169.254.169.254"]]
    actions = [lambda server, connection: reply(200)(server, connection) and False, reply()]
    with RawServer(*actions, tls=server_context(HOST)) as raw:
        server = Bench(resolve=lambda _host, _port: answers.pop(0)).server(raw, tls=True)
        assert server.call("GET", "/").status == 200
        time.sleep(0.1)  # until the client has seen the end of the connection
        assert "169.254.169.254" in str(error_of(lambda: post(server)))
    assert len(raw.heard) == 1


def test_next_address_is_tried_after_a_refusal() -> None:
    with RawServer(reply(), tls=server_context(HOST)) as raw:
        server = Bench(resolve=lambda _host, _port: ["::1", "127.0.0.1"]).server(raw, tls=True)
        assert server.call("GET", "/").status == 200


def test_server_works_after_a_refused_address() -> None:
    answers = [["169.254.169.254"], ["127.0.0.1"]]
    with RawServer(reply(), tls=server_context(HOST)) as raw:
        server = Bench(resolve=lambda _host, _port: answers.pop(0)).server(raw, tls=True)
        error_of(lambda: post(server))
        assert server.call("GET", "/").status == 200


def test_system_resolver_returns_addresses() -> None:
    assert "127.0.0.1" in system_resolve("localhost", 443)


# ---------------------------------------------------------------- TLS


def test_untrusted_server_receives_nothing() -> None:
    with RawServer(reply(), tls=server_context(HOST)) as raw:
        bench = Bench()
        error = error_of(lambda: post(bench.server(raw, tls=True, ca_bundle=None)))
    assert isinstance(error, Misconfigured)
    assert "not trusted" in str(error)
    assert "ca-bundle" in str(error)
    assert (raw.heard, bench.delays) == ([], [])


@pytest.mark.parametrize(
    ("name", "days"), [("other.test", 1), (HOST, -1), ("127.0.0.1", 1)], ids=["other name", "expired", "address only"]
)
def test_mismatched_or_expired_certificate_is_refused(name: str, days: int) -> None:
    with RawServer(reply(), tls=server_context(name, days=days)) as raw:
        error = error_of(lambda: post(Bench().server(raw, tls=True)))
    assert isinstance(error, Misconfigured)
    assert raw.heard == []


def test_server_without_tls_is_refused() -> None:
    def answer() -> None:
        connection, _ = plain.accept()
        with connection:
            connection.recv(10_000)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as plain:
        threading.Thread(target=answer, daemon=True).start()
        address = f"https://{HOST}:{plain.getsockname()[1]}"
        error = error_of(lambda: post(Bench().http.server(address)))
    assert isinstance(error, Misconfigured)
    assert "the TLS handshake failed" in str(error)


@pytest.mark.parametrize(
    "text",
    ["", "words", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----"],
)
def test_invalid_ca_bundle_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match=r"invalid ca-bundle for https://ca\.test"):
        Bench().http.server(f"https://{HOST}", ca_bundle=text)


def tls_version(raw: RawServer, context: ssl.SSLContext) -> str | None:
    """Complete a TLS handshake; return the protocol version."""
    with (
        socket.create_connection(("127.0.0.1", raw.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as connection,
    ):
        return connection.version()


def strict_context(**options: Any) -> ssl.SSLContext:
    """Return a context with the default flags of Python 3.13 and later."""
    context = ssl.create_default_context(**options)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def test_private_ca_needs_no_key_identifier() -> None:
    with RawServer(reply(), tls=server_context(HOST, identified=False)) as raw:
        with pytest.raises(ssl.SSLCertVerificationError, match="Authority Key Identifier"):
            tls_version(raw, strict_context(cadata=bundle()))
        assert tls_version(raw, trust.ssl_context(bundle(), strict_context)) == "TLSv1.3"


def test_ca_bundle_may_contain_non_ascii_comments() -> None:
    with RawServer(reply(), tls=server_context(HOST)) as raw:
        server = Bench().server(raw, tls=True, ca_bundle=f"# Zertifizierungsstelle für intern\n{bundle()}# 日本\n")
        assert server.call("GET", "/").status == 200


def test_ca_bundle_with_a_private_key_is_refused() -> None:
    with pytest.raises(Misconfigured, match="contains a private key"):
        Bench().http.server(f"https://{HOST}", ca_bundle=f"{bundle()}-----BEGIN PRIVATE KEY-----\n")


# ---------------------------------------------------------------- responses


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    with RawServer(reply()) as other:
        target = f"http://127.0.0.1:{other.port}/next?token=canary-bearer"
        with RawServer(reply(status, Location=target)) as raw:
            error = error_of(lambda: post(Bench().server(raw)))
    assert isinstance(error, Misconfigured)
    assert f"{status}, a redirect, which is not followed; it points to http://127.0.0.1:{other.port}:" in str(error)
    assert (len(raw.heard), other.connections) == (1, 0)


@pytest.mark.parametrize("location", ["", "/relative?canary-bearer", "https://user:canary-bearer@x.test/", "//"])
def test_invalid_redirect_is_reported_in_one_line(location: str) -> None:
    with RawServer(reply(302, Location=location)) as raw:
        assert "check the address" in str(error_of(lambda: post(Bench().server(raw))))


@pytest.mark.parametrize(("size", "accepted"), [(MAX_RESPONSE_BYTES, True), (MAX_RESPONSE_BYTES + 1, False)])
def test_response_size_is_limited(size: int, accepted: bool) -> None:
    with RawServer(reply(200, b"x" * size)) as raw:
        server = Bench().server(raw)
        if accepted:
            assert len(server.call("GET", "/").body) == size
        else:
            assert "more than 1 MiB" in str(error_of(lambda: post(server)))


def test_endless_response_is_cut_off() -> None:
    def flood(server: RawServer, connection: socket.socket) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not server.over.is_set():
            connection.sendall(b"x" * 65_536)
        return False

    with RawServer(flood) as raw:
        assert "more than 1 MiB" in str(error_of(lambda: post(Bench().server(raw))))


def test_compressed_response_is_refused() -> None:
    with RawServer(reply(200, b"\x1f\x8b", Content_Encoding="gzip")) as raw:
        assert "compressed" in str(error_of(lambda: post(Bench().server(raw))))
    assert raw.heard[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("body", [b"<html>canary-body</html>", b"", b"{", b"[" * 100_000, b"\xff"])
def test_response_without_json_is_unavailable(body: bytes) -> None:
    with RawServer(reply(200, body)) as raw:
        answer = Bench().server(raw).call("GET", "/")
        error = error_of(answer.json)
    assert isinstance(error, Unavailable)
    assert str(error).startswith(f"GET http://127.0.0.1:{raw.port}/ answered 200")
    assert "canary" not in repr(answer)


# ---------------------------------------------------------------- retries


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422])
def test_client_errors_are_returned_without_retry(status: int) -> None:
    with RawServer(reply(status, {"message": "no"})) as raw:
        bench = Bench()
        assert post(bench.server(raw)).status == status
    assert (len(raw.heard), bench.delays) == (1, [])


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_transient_errors_are_retried(status: int) -> None:
    with RawServer(reply(status), reply(status), reply(200, {"a": 1})) as raw:
        assert post(Bench().server(raw)).json() == {"a": 1}
    assert len(raw.heard) == 3
    assert len({heard.body for heard in raw.heard}) == 1


@pytest.mark.parametrize("action", [drop, half], ids=["dropped", "broken off"])
def test_broken_connection_is_retried(action: Any) -> None:
    with RawServer(action, reply(200, {"a": 1})) as raw:
        assert post(Bench().server(raw)).json() == {"a": 1}


def test_last_error_is_raised_after_all_retries() -> None:
    with RawServer(reply(503)) as raw:
        bench = Bench()
        error = error_of(lambda: post(bench.server(raw)))
    assert isinstance(error, Unavailable)
    assert str(error) == f"POST http://127.0.0.1:{raw.port}/v1/things answered 503"
    assert len(raw.heard) == 4
    assert len(bench.delays) == 3


def test_zero_retries_send_one_request() -> None:
    with RawServer(reply(503)) as raw:
        error_of(lambda: post(Bench().server(raw, retry=Retry.model_validate({"max-retries": 0}))))
    assert len(raw.heard) == 1


def test_retry_accepts_agent_keys_and_milliseconds() -> None:
    options = {"max-retries": 2, "base-delay": "250ms", "max-delay": "1m"}
    retry = Retry.model_validate(options)
    assert (retry.base_delay, retry.max_delay) == (timedelta(milliseconds=250), timedelta(minutes=1))
    assert Retry.model_validate(retry.model_dump(mode="json", by_alias=True)) == retry
    assert Retry() == Retry.model_validate({"max-retries": 3, "base-delay": "200ms", "max-delay": "5s"})
    for wrong in (
        {"base-delay": "1"},
        {"base-delay": "0ms"},
        {"base-delay": 1},
        {"max-retries": -1},
        {"max-retries": 11},
        {"tries": 1},
    ):
        with pytest.raises(ValidationError):
            Retry.model_validate(wrong)


def test_retry_delay_doubles_with_jitter_up_to_a_maximum() -> None:
    retry = Retry(max_retries=9, base_delay=timedelta(seconds=1), max_delay=timedelta(seconds=5))
    for tries, planned in ((1, 1), (2, 2), (3, 4), (4, 5), (9, 5)):
        delays = [retry.delay(tries).total_seconds() for _ in range(200)]
        assert planned * 0.8 <= min(delays) < planned * 0.9
        assert planned * 1.1 < max(delays) <= planned * 1.2


def test_attempts_start_before_the_call_limit() -> None:
    with RawServer(reply(503)) as raw:
        bench = Bench()
        begun = bench.clock()
        error_of(lambda: post(bench.server(raw, retry=Retry(max_retries=10, base_delay=timedelta(seconds=2)))))
        assert bench.clock() - begun <= LAST_START
        assert sum(bench.delays, timedelta()) > timedelta(seconds=1)
    assert len(raw.heard) < 5


def test_retry_after_header_sets_the_delay() -> None:
    with RawServer(reply(429, Retry_After="3"), reply()) as raw:
        bench = Bench()
        assert post(bench.server(raw)).status == 200
    assert bench.delays == [timedelta(seconds=3)]


def test_long_retry_after_is_passed_in_the_error() -> None:
    with RawServer(reply(429, Retry_After="60")) as raw:
        bench = Bench()
        error = error_of(lambda: post(bench.server(raw)))
    assert isinstance(error, Unavailable)
    assert error.retry_after == timedelta(seconds=60)
    assert (len(raw.heard), bench.delays) == (1, [])


@pytest.mark.parametrize(("status", "throttled"), [(429, True), (408, False), (425, False), (503, False)])
def test_too_many_requests_is_a_throttle(status: int, throttled: bool) -> None:
    """A throttle slows the calls of all runs down; any other failure counts as an outage."""
    with RawServer(reply(status, Retry_After="60")) as raw:
        error = error_of(lambda: post(Bench().server(raw)))
    assert isinstance(error, Throttled) == throttled


def test_retry_after_accepts_a_date() -> None:
    now = HandClock()()
    later = (now + timedelta(minutes=2)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert abs((retry_after(later, now) or timedelta()) - timedelta(minutes=2)) < timedelta(seconds=1)
    assert retry_after("Mon, 01 Jan 2001 00:00:00 GMT", now) == timedelta(0)
    assert retry_after("9" * 30, now) == timedelta(days=1)
    for nonsense in (None, "", "soon", "-1", "\u0661"):
        assert retry_after(nonsense, now) is None


def test_attempts_end_within_the_claim() -> None:
    with RawServer(reply(503)) as raw:
        bench = Bench()
        server = bench.server(raw)
        bench.deadline.begin(bench.clock() + ATTEMPT_LIMIT - timedelta(milliseconds=1))
        assert isinstance(error_of(lambda: post(server)), OutOfTime)
        assert raw.heard == []
        bench.deadline.begin(bench.clock() + ATTEMPT_LIMIT)
        error = error_of(lambda: post(server))  # one attempt fits; its own error is raised
        assert "answered 503" in str(error)
        assert len(raw.heard) == 1


# ---------------------------------------------------------------- non-idempotent requests


@pytest.mark.parametrize(
    "action", [drop, half, reply(500), reply(502), reply(504)], ids=["drop", "half", "500", "502", "504"]
)
def test_non_idempotent_request_is_not_repeated(action: Any) -> None:
    with RawServer(action, reply()) as raw:
        error = error_of(lambda: post(Bench().server(raw), repeatable=False))
    assert isinstance(error, AnswerLost)
    assert len(raw.heard) == 1


def test_unprocessed_non_idempotent_request_is_repeated() -> None:
    with RawServer(reply(429), reply(408), reply(425), reply(201)) as raw:
        assert post(Bench().server(raw), repeatable=False).status == 201
    port = closed_port()
    bench = Bench()
    error = error_of(lambda: post(bench.http.server(f"http://127.0.0.1:{port}"), repeatable=False))
    assert not isinstance(error, AnswerLost)
    assert "the connection was refused" in str(error)
    assert len(bench.delays) == 3


def test_answer_lost_is_an_unavailable_error() -> None:
    assert issubclass(AnswerLost, Unavailable)


# ---------------------------------------------------------------- time limits


@pytest.mark.parametrize(
    "action",
    [hang, drip(b"X-Slow: yes\r\n"), drip(b"X"), drip(b"\r\n")],
    ids=["silence", "headers", "one header", "body"],
)
def test_slow_response_ends_at_the_attempt_limit(action: Any) -> None:
    with RawServer(action, tls=server_context(HOST)) as raw:
        bench = Bench(attempt_limit=timedelta(seconds=0.6))
        server = bench.server(raw, tls=True, retry=Retry(max_retries=0))
        begun = time.monotonic()
        error = error_of(lambda: post(server))
        assert time.monotonic() - begun < 2
    assert isinstance(error, Unavailable)
    assert "did not answer in time" in str(error)


def test_silent_handshake_ends_at_the_attempt_limit() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        bench = Bench(attempt_limit=timedelta(seconds=0.4))
        server = bench.http.server(
            f"https://{HOST}:{silent.getsockname()[1]}", retry=Retry(max_retries=0), ca_bundle=bundle()
        )
        begun = time.monotonic()
        error = error_of(lambda: post(server, repeatable=False))
        assert time.monotonic() - begun < 2
    assert isinstance(error, Unavailable)
    assert not isinstance(error, AnswerLost)


def test_slow_resolver_ends_at_the_attempt_limit() -> None:
    bench = Bench(attempt_limit=timedelta(seconds=0.3), resolve=lambda _host, _port: time.sleep(3) or [])
    begun = time.monotonic()
    error = error_of(lambda: post(bench.http.server(f"https://{HOST}", retry=Retry(max_retries=0))))
    assert time.monotonic() - begun < 1.5
    assert isinstance(error, Unavailable)


def test_unknown_host_is_named_in_the_error() -> None:
    def unknown(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    error = error_of(lambda: post(Bench(resolve=unknown).http.server(f"https://{HOST}", retry=Retry(max_retries=0))))
    assert isinstance(error, Unavailable)
    assert f"https://{HOST}/v1/things: cannot resolve the host name" in str(error)


def test_time_limits_match_the_lease() -> None:
    assert (timedelta(seconds=10), timedelta(seconds=5)) == (ATTEMPT_LIMIT, LAST_START)
