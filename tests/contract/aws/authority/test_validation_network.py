"""The validator's network: which addresses it connects to, how long, and how much it reads (RFC 8555 §10.4)."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

import pytest

from evercert.authority.validation.ports import NotValidated, Page
from evercert.aws.authority.validation_names import ValidationNames
from evercert.aws.authority.validation_pages import MOST_BYTES, NOT_ALLOWED, NoAddress, ValidationPages, refusal

WITHIN = timedelta(seconds=1)
URL = "http://www.example.com/.well-known/acme-challenge/token"
PRIVATE = ipaddress.ip_network("10.0.0.0/8")
NEVER = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "169.254.169.254", "169.254.170.2", "::1", "::", "fe80::1", "fd00:ec2::254",
    "fd00:ec2::23", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::", "::127.0.0.1",
    "224.0.0.1", "255.255.255.255", "ff02::1", "100.100.100.200", "168.63.129.16",
]  # fmt: skip


@contextmanager
def listening(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """Accept connections on loopback and let `talk` answer each."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.05)
    stopped = threading.Event()

    def accept() -> None:
        while not stopped.is_set():
            with suppress(OSError):
                connection, _ = server.accept()
                with connection, suppress(OSError):
                    connection.settimeout(5)
                    connection.recv(4_096)
                    talk(connection)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        stopped.set()
        thread.join(8)
        server.close()


def pages(port: int) -> ValidationPages:
    return ValidationPages(lambda _: [], local=("127.0.0.1", port))


def load(found: ValidationPages, url: str = URL, *, private: bool = True) -> Page:
    return found.load(url, WITHIN, private=private)


def problem(load: Callable[[], object]) -> NotValidated:
    begun = time.monotonic()
    with pytest.raises(NotValidated) as caught:
        load()
    assert time.monotonic() - begun < 3
    return caught.value


def answer(head: bytes, body: bytes = b"") -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(b"HTTP/1.1 " + head + b"\r\nConnection: close\r\n\r\n" + body)


# -- addresses --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("address", NEVER)
def test_address_is_never_asked(address: str) -> None:
    """Not even if the operator lists its network."""
    everything = [ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")]
    assert refusal(ipaddress.ip_address(address), everything) is not None
    asked = problem(lambda: load(ValidationPages(lambda _: [address], everything)))
    assert asked.kind == "connection"


@pytest.mark.parametrize(
    "address",
    [
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "fd12::1",
        "100.64.0.1",
        "::ffff:10.1.2.3",
        "64:ff9b::a01:203",
        "2002:a01:203::1",
    ],
)
def test_private_address_needs_the_parameter(address: str) -> None:
    found = problem(lambda: load(ValidationPages(lambda _: [address])))
    assert "ValidationNetworks" in found.logged
    assert (address in found.logged, str(found)) == (True, NOT_ALLOWED)  # which clients read


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3"])
def test_listed_network_is_allowed(address: str) -> None:
    assert refusal(ipaddress.ip_address(address), [PRIVATE]) is None
    assert refusal(ipaddress.ip_address("192.168.1.1"), [PRIVATE]) is not None
    assert refusal(ipaddress.ip_address("93.184.216.34"), []) is None


def test_redirect_does_not_reach_a_listed_network() -> None:
    found = ValidationPages(lambda _: ["10.1.2.3"], [PRIVATE])
    assert "ValidationNetworks" in problem(lambda: load(found, private=False)).logged


def test_one_forbidden_address_refuses_the_name() -> None:
    """A name with a public and a loopback address could be asked at either."""
    found = ValidationPages(lambda _: ["93.184.216.34", "127.0.0.1"])
    assert "loopback" in problem(lambda: load(found)).logged


def test_name_is_resolved_once() -> None:
    """The second answer of a rebinding name is never asked for."""
    answers = iter([["127.0.0.1"], ["93.184.216.34"]])
    found = ValidationPages(lambda _: next(answers))
    problem(lambda: load(found))
    assert next(answers) == ["93.184.216.34"]


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "169.254.169.254", "[::ffff:127.0.0.1]"])
def test_address_in_a_url_is_checked(host: str) -> None:
    problem(lambda: load(ValidationPages(lambda _: ["93.184.216.34"]), f"http://{host}/"))


def test_name_without_address_is_a_problem_of_the_dns() -> None:
    def resolve(_: str) -> list[str]:
        raise NoAddress("www.example.com has no address")

    assert problem(lambda: load(ValidationPages(resolve))).kind == "dns"


# -- answers ----------------------------------------------------------------------------------------------------------
def test_page_and_redirect_are_returned() -> None:
    with listening(answer(b"200 OK", b"token.thumbprint\n")) as port:
        found = load(pages(port))
    assert (found.status, found.content) == (200, b"token.thumbprint\n")
    with listening(answer(b"302 Found\r\nLocation: http://b.example.com/x")) as port:
        assert load(pages(port)).location == "http://b.example.com/x"


@pytest.mark.parametrize(
    "talk",
    [
        lambda connection: time.sleep(1.5),
        lambda connection: [connection.sendall(b"H") or time.sleep(0.3) for _ in range(8)],
        lambda connection: [
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" if not n else b"x") or time.sleep(0.3) for n in range(8)
        ],
    ],
    ids=["silent", "slow-head", "slow-body"],
)
def test_slow_server_ends_in_time(talk: Callable[[socket.socket], None]) -> None:
    with listening(talk) as port:
        assert problem(lambda: load(pages(port))).kind == "connection"


def test_endless_body_is_cut() -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(10_000):
            connection.sendall(b"secret" * 1_000)

    with listening(talk) as port:
        found = problem(lambda: load(pages(port)))
    assert (found.kind, "secret" in str(found)) == ("incorrectResponse", False)
    assert str(MOST_BYTES) in str(found)


@pytest.mark.parametrize("junk", [b"", b"\0" * 100, b"SSH-2.0-secret\r\n", b"HTTP/9.9 secret\r\n\r\n"])
def test_other_protocol_is_not_quoted(junk: bytes) -> None:
    with listening(lambda connection: connection.sendall(junk)) as port:
        found = problem(lambda: load(pages(port)))
    assert (found.kind, "secret" in str(found)) == ("connection", False)


def test_refused_connection_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert "refused" in str(problem(lambda: load(pages(port))))


# -- names ------------------------------------------------------------------------------------------------------------
def test_resolver_that_is_down_is_a_problem_of_the_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evercert.aws.authority.validation_names.LIMIT", timedelta(seconds=0.5))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        names = ValidationNames([("127.0.0.1", server.getsockname()[1])])
        assert problem(lambda: names.texts("_acme-challenge.www.example.com")).kind == "dns"
        with pytest.raises(NoAddress):
            names.addresses("www.example.com")
