"""HTTPS to the servers of issuers, over real connections: where it goes, how long it takes, what it makes of trouble."""

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
from evercert.errors import AnswerLost, EvercertError, Misconfigured, OutOfTime, Unavailable
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
    """A web whose names all mean this machine, a clock that only waiting moves, and what was waited."""

    made: ClassVar[list[Bench]] = []

    def __init__(self, **options: Any) -> None:
        self.clock = HandClock()
        self.deadline = Deadline(self.clock)
        self.waited: list[timedelta] = []
        options = {"local": True, "resolve": lambda _host, _port: ["127.0.0.1"], **options}
        self.http = HTTPClient(Hosts([HOST, "localhost", "127.0.0.1"]), self.deadline, self.clock, self.wait, **options)
        self.made.append(self)

    def wait(self, span: timedelta) -> None:
        self.waited.append(span)
        self.clock.now += span

    def server(self, raw: RawServer, *, tls: bool = False, **options: Any) -> ServerClient:
        if tls:
            return self.http.server(f"https://{HOST}:{raw.port}", **{"ca_bundle": bundle(), **options})
        return self.http.server(f"http://127.0.0.1:{raw.port}", **options)


@pytest.fixture(autouse=True)
def _ended() -> Iterator[None]:
    yield
    while Bench.made:
        Bench.made.pop().http.close()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def trouble(call: Callable[[], Any]) -> EvercertError:
    """What was raised; no text of it holds what was sent."""
    with pytest.raises(EvercertError) as raised:
        call()
    said: BaseException | None = raised.value
    while said is not None:
        assert TOKEN not in f"{said}{said!r}"
        assert SECRET not in f"{said}{said!r}"
        said = said.__cause__
    assert str(raised.value).isprintable()
    return raised.value


def post(server: ServerClient, **options: Any) -> Any:
    return server.call("POST", "/v1/things?secret=canary-body", body={"value": SECRET}, token=TOKEN, **options)


def test_a_call_carries_token_and_json_and_is_answered() -> None:
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


def test_without_token_and_body_neither_header_is_sent() -> None:
    with RawServer(reply()) as raw:
        Bench().server(raw).call("GET", "/v1/things")
    assert not {"authorization", "content-type"} & set(raw.heard[0].headers)


def test_a_path_of_the_address_stands_before_every_path() -> None:
    with RawServer(reply()) as raw:
        Bench().http.server(f"http://127.0.0.1:{raw.port}/infisical/api/").call("GET", "/v1/things")
    assert raw.heard[0].target == "/infisical/api/v1/things"


def test_a_connection_is_kept_between_calls() -> None:
    with RawServer(reply(), tls=server_context(HOST)) as raw:
        server = Bench().server(raw, tls=True)
        for _ in range(3):
            server.call("GET", "/")
    assert (len(raw.heard), raw.connections) == (3, 1)


def test_what_a_server_sets_as_a_cookie_does_not_come_back_to_it() -> None:
    with RawServer(reply(Set_Cookie="a=b")) as raw:
        server = Bench().server(raw)
        server.call("GET", "/")
        server.call("GET", "/")
    assert "cookie" not in raw.heard[1].headers


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(reply()) as raw, RawServer(reply()) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert Bench().server(raw).call("GET", "/").status == 200
    assert proxy.connections == 0


# ---------------------------------------------------------------- where to


@pytest.mark.parametrize("address", ["http://app.infisical.com", "ftp://app.infisical.com", "app.infisical.com", ""])
def test_only_https_is_spoken(address: str) -> None:
    http = HTTPClient(Hosts.of("app.infisical.com"), Deadline(HandClock()), HandClock(), lambda _: None, local=True)
    with pytest.raises(Misconfigured, match="https://"):
        http.server(address)


def test_a_host_that_is_not_listed_is_not_asked() -> None:
    http = Bench().http
    with pytest.raises(Misconfigured, match=r"not allowed: add evil\.test to the stack's parameter IssuerHosts"):
        http.server("https://evil.test")
    assert http.server(f"https://{HOST}").origin.host == HOST


def test_this_machine_is_not_asked_without_the_switch() -> None:
    with RawServer(reply()) as raw:
        strict = Bench(local=False)
        with pytest.raises(Misconfigured, match="must be https"):
            strict.server(raw)
        error = trouble(lambda: strict.http.server(f"https://127.0.0.1:{raw.port}").call("GET", "/"))
        assert isinstance(error, Misconfigured)
        assert "loopback" in str(error)
    assert raw.connections == 0


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "0.0.0.0", "::", "169.254.169.254", "169.254.170.2",
     "::ffff:169.254.169.254", "fe80::1", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "224.0.0.1", "ff02::1", "2002:7f00:1::"],
)  # fmt: skip
def test_nothing_is_sent_to_an_address_that_no_issuer_has(address: str) -> None:
    """The name is listed and what it resolves to is not ours to ask; nothing is even connected to."""
    bench = Bench(local=False, resolve=lambda _host, _port: ["192.0.2.1", address])
    begun = time.monotonic()
    error = trouble(lambda: post(bench.http.server(f"https://{HOST}")))
    assert isinstance(error, Misconfigured)
    assert f"refused to connect to {HOST}: it resolves to {address}" in str(error)
    assert time.monotonic() - begun < 1.5  # 192.0.2.1 would have taken until the time limit
    assert bench.waited == []


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "100.100.100.200", "0.0.0.0"])
def test_the_switch_opens_loopback_alone(address: str) -> None:
    bench = Bench(resolve=lambda _host, _port: [address])
    assert "refused to connect to" in str(trouble(lambda: post(bench.http.server(f"https://{HOST}"))))


def test_a_name_is_resolved_once_for_each_connection_so_that_a_second_answer_has_no_say() -> None:
    """Rebinding: what was looked at is what is connected to."""
    answers = [["127.0.0.1"], ["169.254.169.254"]]
    with RawServer(reply(), tls=server_context(HOST)) as raw:
        server = Bench(resolve=lambda _host, _port: answers.pop(0)).server(raw, tls=True)
        assert server.call("GET", "/").status == 200
        assert len(answers) == 1
        server.call("GET", "/")
    assert (raw.connections, len(answers)) == (1, 1)


def test_a_name_that_comes_to_mean_something_else_is_refused_at_the_next_connection() -> None:
    answers = [["127.0.0.1"], ["169.254.169.254"]]
    deeds = [lambda server, connection: reply(200)(server, connection) and False, reply()]
    with RawServer(*deeds, tls=server_context(HOST)) as raw:
        server = Bench(resolve=lambda _host, _port: answers.pop(0)).server(raw, tls=True)
        assert server.call("GET", "/").status == 200
        time.sleep(0.1)  # until the end of the connection has arrived
        assert "169.254.169.254" in str(trouble(lambda: post(server)))
    assert len(raw.heard) == 1


def test_the_next_address_is_tried_when_the_first_refuses() -> None:
    with RawServer(reply(), tls=server_context(HOST)) as raw:
        server = Bench(resolve=lambda _host, _port: ["::1", "127.0.0.1"]).server(raw, tls=True)
        assert server.call("GET", "/").status == 200


def test_a_refused_address_leaves_the_server_usable() -> None:
    answers = [["169.254.169.254"], ["127.0.0.1"]]
    with RawServer(reply(), tls=server_context(HOST)) as raw:
        server = Bench(resolve=lambda _host, _port: answers.pop(0)).server(raw, tls=True)
        trouble(lambda: post(server))
        assert server.call("GET", "/").status == 200


def test_the_systems_resolver_answers_addresses() -> None:
    assert "127.0.0.1" in system_resolve("localhost", 443)


# ---------------------------------------------------------------- TLS


def test_a_server_that_nobody_vouches_for_hears_nothing() -> None:
    with RawServer(reply(), tls=server_context(HOST)) as raw:
        bench = Bench()
        error = trouble(lambda: post(bench.server(raw, tls=True, ca_bundle=None)))
    assert isinstance(error, Misconfigured)
    assert "not trusted" in str(error)
    assert "ca-bundle" in str(error)
    assert (raw.heard, bench.waited) == ([], [])


@pytest.mark.parametrize(
    ("name", "days"), [("other.test", 1), (HOST, -1), ("127.0.0.1", 1)], ids=["other name", "expired", "address only"]
)
def test_a_certificate_for_another_name_or_another_time_is_refused(name: str, days: int) -> None:
    with RawServer(reply(), tls=server_context(name, days=days)) as raw:
        error = trouble(lambda: post(Bench().server(raw, tls=True)))
    assert isinstance(error, Misconfigured)
    assert raw.heard == []


def test_a_server_without_tls_is_refused() -> None:
    def answer() -> None:
        connection, _ = plain.accept()
        with connection:
            connection.recv(10_000)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as plain:
        threading.Thread(target=answer, daemon=True).start()
        address = f"https://{HOST}:{plain.getsockname()[1]}"
        error = trouble(lambda: post(Bench().http.server(address)))
    assert isinstance(error, Misconfigured)
    assert "the TLS handshake failed" in str(error)


@pytest.mark.parametrize(
    "text",
    ["", "words", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----"],
)
def test_a_bundle_that_is_none_is_told_before_anything_is_asked(text: str) -> None:
    with pytest.raises(Misconfigured, match=r"invalid ca-bundle for https://ca\.test"):
        Bench().http.server(f"https://{HOST}", ca_bundle=text)


def shaken(raw: RawServer, context: ssl.SSLContext) -> str | None:
    """Whom the server turned out to be."""
    with (
        socket.create_connection(("127.0.0.1", raw.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as connection,
    ):
        return connection.version()


def strictly(**options: Any) -> ssl.SSLContext:
    """As Python makes them from 3.13 on."""
    made = ssl.create_default_context(**options)
    made.verify_flags |= ssl.VERIFY_X509_STRICT
    return made


def test_a_private_authority_need_not_name_its_key_in_whatever_python() -> None:
    with RawServer(reply(), tls=server_context(HOST, identified=False)) as raw:
        with pytest.raises(ssl.SSLCertVerificationError, match="Authority Key Identifier"):
            shaken(raw, strictly(cadata=bundle()))
        assert shaken(raw, trust.ssl_context(bundle(), strictly)) == "TLSv1.3"


def test_words_in_any_alphabet_may_stand_between_certificates() -> None:
    with RawServer(reply(), tls=server_context(HOST)) as raw:
        server = Bench().server(raw, tls=True, ca_bundle=f"# Zertifizierungsstelle für intern\n{bundle()}# 日本\n")
        assert server.call("GET", "/").status == 200


def test_a_bundle_with_a_private_key_is_refused() -> None:
    with pytest.raises(Misconfigured, match="contains a private key"):
        Bench().http.server(f"https://{HOST}", ca_bundle=f"{bundle()}-----BEGIN PRIVATE KEY-----\n")


# ---------------------------------------------------------------- what an answer may be


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status: int) -> None:
    with RawServer(reply()) as other:
        target = f"http://127.0.0.1:{other.port}/next?token=canary-bearer"
        with RawServer(reply(status, Location=target)) as raw:
            error = trouble(lambda: post(Bench().server(raw)))
    assert isinstance(error, Misconfigured)
    assert f"{status}, a redirect, which is not followed; it points to http://127.0.0.1:{other.port}:" in str(error)
    assert (len(raw.heard), other.connections) == (1, 0)


@pytest.mark.parametrize("location", ["", "/relative?canary-bearer", "https://user:canary-bearer@x.test/", "//"])
def test_a_redirect_to_nowhere_is_one_line_all_the_same(location: str) -> None:
    with RawServer(reply(302, Location=location)) as raw:
        assert "check the address" in str(trouble(lambda: post(Bench().server(raw))))


@pytest.mark.parametrize(("size", "taken"), [(MAX_RESPONSE_BYTES, True), (MAX_RESPONSE_BYTES + 1, False)])
def test_an_answer_has_a_largest_size(size: int, taken: bool) -> None:
    with RawServer(reply(200, b"x" * size)) as raw:
        server = Bench().server(raw)
        if taken:
            assert len(server.call("GET", "/").body) == size
        else:
            assert "more than 1 MiB" in str(trouble(lambda: post(server)))


def test_an_endless_answer_is_cut_off() -> None:
    def flood(server: RawServer, connection: socket.socket) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not server.over.is_set():
            connection.sendall(b"x" * 65_536)
        return False

    with RawServer(flood) as raw:
        assert "more than 1 MiB" in str(trouble(lambda: post(Bench().server(raw))))


def test_a_compressed_answer_is_not_unpacked() -> None:
    with RawServer(reply(200, b"\x1f\x8b", Content_Encoding="gzip")) as raw:
        assert "compressed" in str(trouble(lambda: post(Bench().server(raw))))
    assert raw.heard[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("body", [b"<html>canary-body</html>", b"", b"{", b"[" * 100_000, b"\xff"])
def test_an_answer_that_is_no_json_is_not_the_servers(body: bytes) -> None:
    with RawServer(reply(200, body)) as raw:
        answer = Bench().server(raw).call("GET", "/")
        error = trouble(answer.json)
    assert isinstance(error, Unavailable)
    assert str(error).startswith(f"GET http://127.0.0.1:{raw.port}/ answered 200")
    assert "canary" not in repr(answer)


# ---------------------------------------------------------------- again, and how often


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422])
def test_a_refusal_is_answered_and_never_sent_again(status: int) -> None:
    with RawServer(reply(status, {"message": "no"})) as raw:
        bench = Bench()
        assert post(bench.server(raw)).status == status
    assert (len(raw.heard), bench.waited) == (1, [])


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_trouble_that_may_pass_is_tried_again(status: int) -> None:
    with RawServer(reply(status), reply(status), reply(200, {"a": 1})) as raw:
        assert post(Bench().server(raw)).json() == {"a": 1}
    assert len(raw.heard) == 3
    assert len({heard.body for heard in raw.heard}) == 1


@pytest.mark.parametrize("deed", [drop, half], ids=["dropped", "broken off"])
def test_a_connection_that_ends_is_tried_again(deed: Any) -> None:
    with RawServer(deed, reply(200, {"a": 1})) as raw:
        assert post(Bench().server(raw)).json() == {"a": 1}


def test_it_gives_up_after_so_many_tries_and_says_what_the_last_one_met() -> None:
    with RawServer(reply(503)) as raw:
        bench = Bench()
        error = trouble(lambda: post(bench.server(raw)))
    assert isinstance(error, Unavailable)
    assert str(error) == f"POST http://127.0.0.1:{raw.port}/v1/things answered 503"
    assert len(raw.heard) == 4
    assert len(bench.waited) == 3


def test_a_retry_of_none_asks_once() -> None:
    with RawServer(reply(503)) as raw:
        trouble(lambda: post(Bench().server(raw, retry=Retry.model_validate({"max-retries": 0}))))
    assert len(raw.heard) == 1


def test_the_keys_of_the_agent_are_read_with_milliseconds_too() -> None:
    given = {"max-retries": 2, "base-delay": "250ms", "max-delay": "1m"}
    retry = Retry.model_validate(given)
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


def test_waiting_doubles_up_to_the_ceiling_and_varies_by_a_fifth() -> None:
    retry = Retry(max_retries=9, base_delay=timedelta(seconds=1), max_delay=timedelta(seconds=5))
    for tries, planned in ((1, 1), (2, 2), (3, 4), (4, 5), (9, 5)):
        delays = [retry.delay(tries).total_seconds() for _ in range(200)]
        assert planned * 0.8 <= min(delays) < planned * 0.9
        assert planned * 1.1 < max(delays) <= planned * 1.2


def test_no_attempt_begins_later_than_the_call_may_last() -> None:
    with RawServer(reply(503)) as raw:
        bench = Bench()
        begun = bench.clock()
        trouble(lambda: post(bench.server(raw, retry=Retry(max_retries=10, base_delay=timedelta(seconds=2)))))
        assert bench.clock() - begun <= LAST_START
        assert sum(bench.waited, timedelta()) > timedelta(seconds=1)
    assert len(raw.heard) < 5


def test_the_server_may_say_how_long_to_wait() -> None:
    with RawServer(reply(429, Retry_After="3"), reply()) as raw:
        bench = Bench()
        assert post(bench.server(raw)).status == 200
    assert bench.waited == [timedelta(seconds=3)]


def test_a_wish_that_is_longer_than_a_call_goes_out_with_the_error() -> None:
    with RawServer(reply(429, Retry_After="60")) as raw:
        bench = Bench()
        error = trouble(lambda: post(bench.server(raw)))
    assert isinstance(error, Unavailable)
    assert error.retry_after == timedelta(seconds=60)
    assert (len(raw.heard), bench.waited) == (1, [])


def test_a_wish_may_be_a_date() -> None:
    now = HandClock()()
    later = (now + timedelta(minutes=2)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert abs((retry_after(later, now) or timedelta()) - timedelta(minutes=2)) < timedelta(seconds=1)
    assert retry_after("Mon, 01 Jan 2001 00:00:00 GMT", now) == timedelta(0)
    assert retry_after("9" * 30, now) == timedelta(days=1)
    for nonsense in (None, "", "soon", "-1", "\u0661"):
        assert retry_after(nonsense, now) is None


def test_no_attempt_begins_that_could_outlive_the_claim() -> None:
    with RawServer(reply(503)) as raw:
        bench = Bench()
        server = bench.server(raw)
        bench.deadline.begin(bench.clock() + ATTEMPT_LIMIT - timedelta(milliseconds=1))
        assert isinstance(trouble(lambda: post(server)), OutOfTime)
        assert raw.heard == []
        bench.deadline.begin(bench.clock() + ATTEMPT_LIMIT)
        error = trouble(lambda: post(server))  # one attempt fits, and its own trouble is what goes out
        assert "answered 503" in str(error)
        assert len(raw.heard) == 1


# ---------------------------------------------------------------- what may not be done twice


@pytest.mark.parametrize(
    "deed", [drop, half, reply(500), reply(502), reply(504)], ids=["drop", "half", "500", "502", "504"]
)
def test_what_may_have_arrived_is_not_sent_again(deed: Any) -> None:
    with RawServer(deed, reply()) as raw:
        error = trouble(lambda: post(Bench().server(raw), repeatable=False))
    assert isinstance(error, AnswerLost)
    assert len(raw.heard) == 1


def test_what_has_certainly_not_been_done_is_sent_again_even_then() -> None:
    with RawServer(reply(429), reply(408), reply(425), reply(201)) as raw:
        assert post(Bench().server(raw), repeatable=False).status == 201
    port = closed_port()
    bench = Bench()
    error = trouble(lambda: post(bench.http.server(f"http://127.0.0.1:{port}"), repeatable=False))
    assert not isinstance(error, AnswerLost)
    assert "the connection was refused" in str(error)
    assert len(bench.waited) == 3


def test_a_lost_answer_is_a_kind_of_no_answer() -> None:
    assert issubclass(AnswerLost, Unavailable)


# ---------------------------------------------------------------- how long


@pytest.mark.parametrize(
    "deed",
    [hang, drip(b"X-Slow: yes\r\n"), drip(b"X"), drip(b"\r\n")],
    ids=["silence", "headers", "one header", "body"],
)
def test_an_attempt_ends_however_slowly_bytes_come(deed: Any) -> None:
    with RawServer(deed, tls=server_context(HOST)) as raw:
        bench = Bench(attempt_limit=timedelta(seconds=0.6))
        server = bench.server(raw, tls=True, retry=Retry(max_retries=0))
        begun = time.monotonic()
        error = trouble(lambda: post(server))
        assert time.monotonic() - begun < 2
    assert isinstance(error, Unavailable)
    assert "did not answer in time" in str(error)


def test_a_handshake_that_never_comes_ends_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        bench = Bench(attempt_limit=timedelta(seconds=0.4))
        server = bench.http.server(
            f"https://{HOST}:{silent.getsockname()[1]}", retry=Retry(max_retries=0), ca_bundle=bundle()
        )
        begun = time.monotonic()
        error = trouble(lambda: post(server, repeatable=False))
        assert time.monotonic() - begun < 2
    assert isinstance(error, Unavailable)
    assert not isinstance(error, AnswerLost)


def test_a_resolver_that_never_answers_ends_too() -> None:
    bench = Bench(attempt_limit=timedelta(seconds=0.3), resolve=lambda _host, _port: time.sleep(3) or [])
    begun = time.monotonic()
    error = trouble(lambda: post(bench.http.server(f"https://{HOST}", retry=Retry(max_retries=0))))
    assert time.monotonic() - begun < 1.5
    assert isinstance(error, Unavailable)


def test_a_name_that_nobody_knows_is_told_with_its_host() -> None:
    def unknown(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    error = trouble(lambda: post(Bench(resolve=unknown).http.server(f"https://{HOST}", retry=Retry(max_retries=0))))
    assert isinstance(error, Unavailable)
    assert f"https://{HOST}/v1/things: cannot resolve the host name" in str(error)


def test_the_time_limits_are_those_that_the_lease_was_made_for() -> None:
    assert (timedelta(seconds=10), timedelta(seconds=5)) == (ATTEMPT_LIMIT, LAST_START)
