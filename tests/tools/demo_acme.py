"""The part of the demo with ACME=1: a certificate from Pebble, whose http-01 challenges reach the stack's responder."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from tests.tools.openssl import require, verify
from tests.tools.operator_session import TYPES, Example, OperatorSession, check_with_openssl, say
from tests.tools.pebble import Pebble, pebble, redirecting_host

SHOP = Example("shop", ("DNS:shop.example.com", "DNS:www.shop.example.com"))
NONCE_REJECT = 15  # percent
DOCUMENT = """version: evercert/v1
issuers:
  pebble:
    type: acme
    directory: {directory}
    email: ops@example.com
    solvers:
      - type: http-01
    ca-bundle: |{bundle}
certificates:
  - name: {name}
    issuer: pebble
    attributes:
      alt-names:{names}
    destinations:
      - type: secrets-manager
"""


def enabled() -> bool:
    """Return whether ACME=1 is set and Go is at hand; print why not."""
    if os.environ.get("ACME") != "1":
        return False
    if shutil.which("go") is not None:
        return True
    print("ACME=1 has no effect: Go, which builds Pebble, is not installed")
    return False


def show(session: OperatorSession, responder: str) -> None:
    """Issue a certificate by ACME, and verify it against Pebble's root."""
    with ExitStack() as resources, tempfile.TemporaryDirectory() as folder:
        server, paths = _start(session, responder, resources)
        document = Path(folder) / "shop.yaml"
        document.write_text(_document(server))
        with session.phase("evercert apply shop.yaml, with an ACME issuer"):
            say(document.read_text())
            session.evercert("apply", str(document), "--no-nudge")
        with session.phase("wait for the schedule to issue the ACME certificate"):
            event = session.next_event(SHOP, TYPES[0])
            say(f"Pebble's challenges at the web host, redirected to the responder: {len(set(paths))}")
            require(len(set(paths)) == len(SHOP.names), "Pebble did not validate each name once")
        with session.phase("verify the ACME certificate in Secrets Manager"):
            value = session.secret(SHOP, "AWSCURRENT")
            check_with_openssl(SHOP, value, event)
            root = server.root().public_bytes(serialization.Encoding.PEM).decode()
            result = verify(value["certificate"], trusted=root, chain=value["fullchain"])
            say(f"openssl verify with the chain in the secret and Pebble's root: {result}")


def _start(session: OperatorSession, responder: str, resources: ExitStack) -> tuple[Pebble, list[str]]:
    """Run Pebble, and the web host of every name, which only redirects; return the paths that will be requested."""
    with session.phase("start Pebble, an ACME server, and a web host for its challenges"):
        say("Go builds Pebble once")
        server = resources.enter_context(pebble(nonce_reject=NONCE_REJECT))
        paths = resources.enter_context(redirecting_host(server.http_port, responder))
        say(f"Pebble runs at {server.directory} and refuses {NONCE_REJECT} % of the nonces")
        say(f"the web host of every name redirects to the stack's responder, {responder}")
    return server, paths


def _document(server: Pebble) -> str:
    names = "".join(f"\n        - {name.removeprefix('DNS:')}" for name in SHOP.names)
    bundle = "".join(f"\n      {line}" for line in server.ca_bundle.splitlines())
    return DOCUMENT.format(directory=server.directory, bundle=bundle, name=SHOP.name, names=names)
