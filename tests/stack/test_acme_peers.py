"""Certificates from Pebble on the deployed stack: web hosts redirect the challenges to the stack's responder."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509

from tests.doubles.world import assert_pair
from tests.stack.conftest import Stack, written
from tests.tools.pebble import Pebble, pebble, redirecting_host

pytestmark = [pytest.mark.peer("go"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def server(stack: Stack) -> Iterator[Pebble]:
    """Run Pebble, and the web host of every name, which only redirects."""
    api = (urlsplit(stack.outputs["ResponderAddress"]).hostname or "").partition(".")[0]
    gateway = urlsplit(stack.running.url).port
    target = f"http://{api}.execute-api.localhost:{gateway}"
    with pebble(nonce_reject=15) as running, redirecting_host(running.http_port, target) as paths:
        yield running
    assert paths


def issuers(server: Pebble, mark: str, **more: object) -> dict[str, dict[str, object]]:
    return {
        f"pebble-{mark}": {
            "type": "acme",
            "directory": server.directory,
            "ca-bundle": server.ca_bundle,
            "email": "ops@example.com",
            "solvers": [{"type": "http-01"}],
            **more,
        }
    }


def test_acme_certificate_is_issued_and_renewed(stack: Stack, server: Pebble, tmp_path: Path) -> None:
    mark = uuid.uuid4().hex[:6]
    names = [f"{label}-{mark}.example.com" for label in ("www", "api")]
    wanted = [{"name": f"acme-{mark}", "issuer": f"pebble-{mark}", "attributes": {"alt-names": names}}]
    done = stack.evercert("apply", written(tmp_path, issuers(server, mark), wanted), "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    leaf = assert_pair(stack.secret(f"acme-{mark}"))
    found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert sorted(found.get_values_for_type(x509.DNSName)) == sorted(names)
    assert stack.evercert("renew", f"acme-{mark}", "--wait").returncode == 0
    renewed = assert_pair(stack.secret(f"acme-{mark}"))
    assert renewed.serial_number != leaf.serial_number
    left = [item for item in stack.items() if item["pk"]["S"].startswith("http-01#") and "answer" in item]
    accounts = [item for item in stack.items() if item["pk"]["S"].startswith("acme-account#")]
    assert (left, len(accounts)) == ([], 1)


def test_refused_name_stops_with_the_words_of_the_ca(stack: Stack, server: Pebble, tmp_path: Path) -> None:
    mark = uuid.uuid4().hex[:6]
    wanted = [
        {"name": f"blocked-{mark}", "issuer": f"pebble-{mark}", "attributes": {"alt-names": ["blocked.example.com"]}}
    ]
    done = stack.evercert("apply", written(tmp_path, issuers(server, mark), wanted), "--wait")
    assert done.returncode != 0
    assert "rejectedIdentifier" in done.stdout + done.stderr
