"""Certificates that servers serve, read by a TLS handshake that trusts nothing."""

from __future__ import annotations

import hashlib
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import httpcore
from cryptography import x509

from evercert.aws.authority.validation_pages import Network, NoAddress, ValidationBackend, any_server
from evercert.contracts.probe import (
    MOST_ADDRESSES,
    MOST_CERTIFICATES,
    ProbeAnswer,
    ProbeProblem,
    ProbeReport,
    ProbeTarget,
    ServedLeaf,
)
from evercert.errors import Misconfigured
from evercert.pki.certificate import Chain
from evercert.pki.server_names import covers

SPAN = timedelta(seconds=12)  # for the lookup and all addresses
ADDRESS_SECONDS = 3.0  # for connection and handshake with one address
MOST_BYTES = 1 << 18  # from a server, before its handshake ends
LARGEST_CERTIFICATE = 1 << 16  # bytes
_READ = 1 << 14
_MOST_READS = 1_000
_ENCODING_DER = 2  # `_ssl.ENCODING_DER`


class ServedCertificates:
    """Asks each address of a host; the rules for addresses are those of validations."""

    def __init__(
        self,
        resolve: Callable[[str], list[str]],
        allowed: Sequence[Network] = (),
        local: tuple[str, int] | None = None,
        span: timedelta = SPAN,
    ) -> None:
        """`local` is the loopback address and port to which all connections go instead, for development."""
        self._resolve = resolve
        self._allowed = tuple(allowed)
        self._local = local
        self._span = span

    def probe(self, target: ProbeTarget) -> ProbeReport:
        """Return what the addresses of the host serve, at most four; ends within 12 seconds."""
        until = time.monotonic() + self._span.total_seconds()
        backend = ValidationBackend(self._resolve, self._allowed, self._local, self._span)
        backend.limit.begin()
        try:
            places = backend.places(target.host, target.port)
        except Misconfigured:
            return _without_address("not-allowed")
        except httpcore.ConnectTimeout:
            return _without_address("timeout")
        except (httpcore.ConnectError, NoAddress):
            return _without_address("no-address")
        answers = [_ask(address, port, target, until) for address, port in places[:MOST_ADDRESSES]]
        return ProbeReport(answers=tuple(answers)) if answers else _without_address("no-address")


def _without_address(problem: ProbeProblem) -> ProbeReport:
    return ProbeReport(answers=(ProbeAnswer(problem=problem),))


def _ask(address: str, port: int, target: ProbeTarget, until: float) -> ProbeAnswer:
    until = min(until, time.monotonic() + ADDRESS_SECONDS)
    problem: ProbeProblem = "failed"
    try:
        with socket.create_connection((address, port), timeout=_left(until)) as connection:
            chain = _served(connection, target.server_name, until)
            if chain:
                return ProbeAnswer(address=address, leaf=leaf_of(chain, target))
            problem = "no-tls"
    except TimeoutError:
        problem = "timeout"
    except ConnectionRefusedError:
        problem = "refused"
    except (ssl.SSLError, ValueError):
        problem = "no-tls"
    except OSError:
        problem = "failed"
    return ProbeAnswer(address=address, problem=problem)


def _served(connection: socket.socket, server_name: str | None, until: float) -> list[bytes]:
    """Return the certificates of the handshake as DER, leaf first; empty if the server sends none.

    A server that then refuses the client, because it has no certificate, has shown its own.
    """
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = any_server()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    tls, room = context.wrap_bio(incoming, outgoing, server_hostname=server_name), MOST_BYTES
    for _ in range(_MOST_READS):
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            if chain := _chain(tls):
                return chain
            raise
        else:
            return _chain(tls)
        connection.settimeout(_left(until))
        connection.sendall(outgoing.read())
        connection.settimeout(_left(until))
        data = connection.recv(min(_READ, room)) if room else b""
        if not data:
            break
        room -= len(data)
        incoming.write(data)
    return _chain(tls)


def _left(until: float) -> float:
    if (left := until - time.monotonic()) <= 0:
        raise TimeoutError
    return left


def _chain(tls: ssl.SSLObject) -> list[bytes]:
    inner: Any = getattr(tls, "_sslobj")  # noqa: B009 (public from Python 3.13: SSLObject.get_unverified_chain)
    found = inner.get_unverified_chain() or ()
    return [bytes(one.public_bytes(_ENCODING_DER)) for one in found[:MOST_CERTIFICATES]]


def leaf_of(chain: Sequence[bytes], target: ProbeTarget) -> ServedLeaf:
    """Return the facts of a served chain; a peer chose every byte, so what does not parse is left out."""
    found: dict[str, Any] = {"fingerprint_sha256": hashlib.sha256(chain[0]).hexdigest()}
    leaf, *others = [_parsed(one) for one in chain]
    if leaf is None:
        return ServedLeaf(**found)
    readers: dict[str, Callable[[], object]] = {
        "serial_number": lambda: Chain((leaf,)).serial_number,
        "not_before": lambda: leaf.not_valid_before_utc,
        "not_after": lambda: leaf.not_valid_after_utc,
        "covers_name": lambda: covers(map(str, Chain((leaf,)).identifiers), target.server_name or target.host),
        "issuer_until": lambda: _issuer_until(leaf, [one for one in others if one is not None]),
    }
    for name, read in readers.items():
        with suppress(Exception):  # whatever a field of a stranger makes a parser raise
            ServedLeaf(**found, **{name: (value := read())})
            found[name] = value
    return ServedLeaf(**found)


def _parsed(der: bytes) -> x509.Certificate | None:
    if len(der) > LARGEST_CERTIFICATE:
        return None
    try:
        return x509.load_der_x509_certificate(der)
    except Exception:  # noqa: BLE001 (a stranger's bytes)
        return None


def _issuer_until(leaf: x509.Certificate, others: Sequence[x509.Certificate]) -> object:
    name = leaf.issuer.public_bytes()
    return max((one.not_valid_after_utc for one in others if one.subject.public_bytes() == name), default=None)
