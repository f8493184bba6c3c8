"""Readers of a host: its file, the values of secrets, events, the state of a certificate, the remembered stack."""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from evercert.aws.certificate_events import name_of
from evercert.aws.delivered_certificates import status_of
from evercert.cli.files import BadInput
from evercert.cli.host_agent import configuration, stack_address
from evercert.cli.infisical_agent.host import Host
from evercert.errors import Misconfigured
from evercert.host import bundle
from evercert.host.state import State, States
from tests.doubles.host import LOCATION, UID, secret_value
from tests.fuzz.changes import changed_tree
from tests.fuzz.reader import Reader
from tests.tools.local_stack import ROOT

EXAMPLE = ROOT / "examples" / "agent.yaml"
ACCOUNT = "111122223333"
ADDRESS = {"stack": "evercert", "region": "eu-central-1", "table": "t", "account": ACCOUNT}


def read_file(data: bytes) -> None:
    """Read the host's part of a file; every mistake names the file."""
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(data)
        try:
            found = configuration.read(file.name, Host({}, lambda _: None))
        except BadInput as error:
            assert all(line.startswith(file.name) for line in error.lines)
        else:
            assert all(one.outputs for one in found.certificates)


def read_state(data: bytes) -> None:
    """Read a stored state; whatever is in the file, the result is a state."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "web.json").write_bytes(data)
        (Path(folder) / stack_address.FILE).write_bytes(data)
        assert isinstance(States(Path(folder)).load("web"), State)
        stack_address.remembered(Path(folder))


def read_value(data: bytes) -> None:
    """Read the value of a secret; a key in it belongs to its certificate."""
    with suppress(Misconfigured):
        bundle.read(data.decode(errors="replace"), "secret")


def read_item(tree: Any) -> None:
    """Read the attributes of a record that a host may see."""
    if isinstance(tree, dict):
        found = status_of(tree, ACCOUNT)
        assert all(secret.location.split(":")[4] == ACCOUNT for secret in found.secrets)


def items() -> list[Any]:
    facts = {"revision": 3}
    delivery = {"location": LOCATION, "version": "v", "revision": 3}
    error = {"kind": "rejected", "message": "no", "at": "2026-01-15T12:00:00.000Z"}
    finding = {"reason": "revoked", "revision": 3}
    whole = {"uid": UID, "state": "ready", "facts": facts, "deliveries": {"a": delivery}}
    return [whole, whole | {"last_error": error, "finding": finding}]


EVENT = {"subject": "web", "type": "certificate.renewed"}
READERS = [
    Reader("host file", lambda: [EXAMPLE.read_bytes()], read_file, cost=20),
    Reader("host state", lambda: [b'{"installed": null, "incidents": {}}', json.dumps(ADDRESS).encode()], read_state, cost=4),
    Reader("value of a secret", lambda: [secret_value(1).encode()], read_value, cost=4),
    Reader("state of a certificate", items, read_item, changed_tree),
    Reader(
        "event of a queue",
        lambda: [json.dumps(one).encode() for one in (EVENT, {"Message": json.dumps(EVENT)})],
        lambda data: name_of(data.decode(errors="replace")),
    ),
]  # fmt: skip
