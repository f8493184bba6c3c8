"""ACME clients of other people obtain certificates from the authority of the deployed stack."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.doubles.infisical.http_server import Answer, Serving
from tests.stack.conftest import Stack
from tests.tools.acme_clients import Certbot, Dehydrated, Lego, Server
from tests.tools.local_authority import PROFILE, serve_authority, set_up

pytestmark = [pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def authority(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Set up the authority as an operator would; yield its directory."""

    def command(*arguments: str) -> str:
        done = stack.evercert(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    with serve_authority(stack.running, stack.outputs) as found:
        set_up(command, stack.outputs["IssuerRole"])
        made = json.loads(command("authority", "eab", "create", "--profile", PROFILE, "--json"))
        bundle = tmp_path_factory.mktemp("authority") / "ca.pem"
        bundle.write_text(found.ca_bundle)
        yield Server(made["directory"], bundle, stack.running.hosts, made["key_id"], made["hmac_key"])


@contextmanager
def web_server(port: int, folder: Path) -> Iterator[None]:
    """Serve the answers that a client writes into a folder."""

    def answer(_method: str, path: str, *_: Any) -> Answer:
        file = folder / path.rpartition("/")[2]
        return (200, {}, file.read_bytes()) if file.is_file() else (404, {}, b"")

    serving = Serving(answer, port=port)
    serving.start()
    try:
        yield
    finally:
        serving.stop()


def leaf(file: Path, *names: str) -> x509.Certificate:
    certificates = x509.load_pem_x509_certificates(file.read_bytes())
    certificates[0].verify_directly_issued_by(certificates[1])
    found = certificates[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(found.get_values_for_type(x509.DNSName)) == set(names)
    return certificates[0]


def live(client: Any, mark: str) -> None:
    """Issue, renew, revoke."""
    names = f"{mark}.example.com", f"{mark}-2.example.com"
    file = client.issue(*names)
    first = leaf(file, *names)
    client.renew(*names)
    second = leaf(file, *names)
    assert second.serial_number != first.serial_number
    client.revoke(names[0])


@pytest.mark.peer("python3")
def test_certbot_issues_renews_and_revokes(authority: Server, tmp_path: Path) -> None:
    client = Certbot(authority, tmp_path)
    live(client, "certbot")
    client.deactivate()


@pytest.mark.peer("lego")
def test_lego_issues_renews_and_revokes(authority: Server, tmp_path: Path) -> None:
    live(Lego(authority, tmp_path), "lego")


@pytest.mark.peer("dehydrated")
def test_dehydrated_issues_renews_and_revokes(authority: Server, tmp_path: Path) -> None:
    client = Dehydrated(authority, tmp_path)
    with web_server(authority.http_port, tmp_path / "challenges"):
        live(client, "dehydrated")
        client.deactivate()
