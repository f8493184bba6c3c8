"""ACME clients of other people against the authority of the deployed stack: every operation that each of them has."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.doubles.name_server import NameServer
from tests.stack.acme_observer import Observer
from tests.stack.conftest import Stack
from tests.tools.acme_clients.all_clients import CLIENTS
from tests.tools.acme_clients.client import Client, Server
from tests.tools.acme_clients.operations import Run
from tests.tools.acme_clients.table import PAGE, Result
from tests.tools.local_authority import DOCUMENT, PROFILE, serve_authority, set_up
from tests.tools.local_stack import ROOT
from tests.tools.peers import REQUIRED
from tests.tools.ports import free_port

pytestmark = [pytest.mark.timeout(300)]
DAYS = 20
OPEN = "open"  # a profile whose clients need no credential


class Authority:
    """An authority that is set up, and where its clients publish their answers."""

    def __init__(self, stack: Stack, observer: Observer, folder: Path) -> None:
        self.stack = stack
        self.observer = observer
        self.ca_bundle = folder / "ca.pem"
        self.records = folder / "records"

    def evercert(self, *arguments: str) -> str:
        done = self.stack.evercert(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def server(self, *, eab: bool) -> Server:
        """Return the directory of a profile, with a new credential if clients need one."""
        profile = PROFILE if eab else f"{PROFILE.partition('/')[0]}/{OPEN}"
        made = json.loads(self.evercert("authority", "eab", "create", "--profile", profile, "--json"))
        credential = {"key_id": made["key_id"], "hmac_key": made["hmac_key"]} if eab else {}
        running = self.stack.running
        return Server(made["directory"], self.ca_bundle, running.hosts, running.resolver, self.records, **credential)

    def texts(self, name: str) -> Iterable[str]:
        """Return the values of the TXT records of a name."""
        return [file.name.partition("=")[2] for file in self.records.glob(f"{name}=*")]


def with_open_profile(folder: Path) -> str:
    """Return a copy of the example with a second profile, `eab: optional`.

    Certificates last less than the 30 days before which autocert does not renew.
    """
    document = yaml.safe_load((ROOT / DOCUMENT).read_text())
    (profile,) = document["profiles"]
    profile["defaults"] = {"ttl-days": DAYS}
    document["profiles"].append({**profile, "slug": OPEN, "acme": {"eab": "optional"}})
    file = folder / "authority.yaml"
    file.write_text(yaml.safe_dump(document))
    return str(file)


@pytest.fixture(scope="module")
def authority(stack: Stack) -> Iterator[Authority]:
    """Set up the authority as an operator would, and the name server that it asks.

    Other users must read the folder: Apache gives up its rights.
    """
    folder = Path(tempfile.mkdtemp(prefix="evercert-acme-"))
    folder.chmod(0o755)
    with serve_authority(stack.running, stack.outputs) as found:
        made = Authority(stack, Observer(stack, found), folder)
        made.ca_bundle.write_text(found.ca_bundle)
        made.records.mkdir()
        made.records.chmod(0o777)
        set_up(made.evercert, stack.outputs["IssuerRole"])
        made.evercert("authority", "apply", with_open_profile(folder))
        with NameServer({}, made.texts, port=stack.running.resolver):
            yield made
    shutil.rmtree(folder)


@pytest.fixture
def client_of(authority: Authority, tmp_path: Path) -> Iterator[Callable[[type[Client]], Client]]:
    """Make a client in a folder, which may be outside of the test's own."""
    made = []

    def make(kind: type[Client]) -> Client:
        folder = tmp_path / "client"
        folder.mkdir()
        client = kind(authority.server(eab=kind.eab), folder, kind.__name__.lower(), free_port())
        made.append(client)
        found = client.installed_version()
        if not re.search(rf"(?<![\d.]){re.escape(kind.version)}(?!\d)", found):
            message = f"{kind.name} {kind.version} is needed, but this is {found}"
            (pytest.fail if REQUIRED else pytest.skip)(message)
        client.commands.clear()
        return client

    yield make
    for client in made:
        shutil.rmtree(client.folder)


def parameters() -> list[object]:
    return [pytest.param(kind, id=f"{kind.__name__.lower()}", marks=pytest.mark.peer(kind.program)) for kind in CLIENTS]


@pytest.mark.parametrize("kind", parameters())
def test_client_runs_every_operation_it_has(
    kind: type[Client], authority: Authority, client_of: Callable[[type[Client]], Client]
) -> None:
    client = client_of(kind)
    run = Run(client, authority.observer)
    try:
        seen = run.all()
    finally:
        print("\n".join(client.said))  # pytest shows it if the test fails
    result = Result(kind.name, kind.version, kind.source, seen, run.example)
    result.store()
    assert result.problems(PAGE.read_text()) == []
