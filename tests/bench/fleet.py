"""Issue 500 certificates of one Infisical issuer that are due at once; count the requests to the server.

The double of Infisical runs in this process, over HTTPS on the loopback, and counts its requests. The function logs in
with its own role, and the emulator's STS verifies it. The tests' witness counts the processes of the function: it
records in each process the keys that are sealed there.
"""

from __future__ import annotations

import json
import resource
import tempfile
from pathlib import Path
from typing import Any

import boto3

from tests.bench.burst import apply, issued, processor_time
from tests.bench.figures import Figure, Part, table
from tests.doubles.infisical import Planted
from tests.tools.local_infisical import beside, definition
from tests.tools.local_stack import ROOT, Emulator, build, client_arguments, deploy, emulator

CERTIFICATES = 500
WITNESS = ROOT / "tests" / "stack" / "killer"
NAMES = ("GET /api/v1/cert-manager/applications/by-name", "/profiles$")  # one set of lookups


def measure() -> Part:
    with tempfile.TemporaryDirectory(prefix="evercert-bench-") as folder:
        keys, kills = Path(folder) / "keys", Path(folder) / "kills"
        keys.mkdir()
        kills.mkdir()
        witness = {"PYTHONPATH": str(WITNESS), "EVERCERT_KILLS": str(kills), "EVERCERT_KEYS": str(keys)}
        with emulator(witness) as running:
            build()
            deploy(running)
            with beside(running) as server:
                return _measured(running, server, keys)


def _measured(running: Emulator, server: Planted, keys: Path) -> Part:
    used, own = processor_time(running.process.pid), _own()
    apply(running, definition(server, {"type": "aws-iam", "identity-id": server.machine.id}), CERTIFICATES)
    events = issued(running, CERTIFICATES)
    after, doubled = processor_time(running.process.pid), _own() - own
    processes, serials = len(list(keys.iterdir())), _delivered(running)
    part = Part(_counted(server, processes, serials))
    span = (events[-1]["at"] - events[0]["at"]) / 1000
    emulated, functions = after[0] - used[0], after[1] - used[1]
    share = functions / (emulated + functions + doubled)
    part.figures += [
        Figure(f"{CERTIFICATES} due at once: certificates a second", f"{(CERTIFICATES - 1) / span:.1f}"),
        Figure("the functions' share of the processor time", f"{100 * share:.0f} %"),
    ]
    part.lines += table(
        ("", ""),
        [
            ("processor time of the emulator", f"{emulated:.1f} s"),
            ("processor time of the functions, their cold starts included", f"{functions:.1f} s"),
            ("processor time of the double and of this measurement", f"{doubled:.1f} s"),
            ("calls that the double was asked, in all", f"{len(server.calls):,}"),
        ],
    )
    return part


def _counted(server: Planted, processes: int, serials: set[int]) -> list[Figure]:
    signed = {one.signed.serial_number for one in server.issued}
    names = max(server.count(call) for call in NAMES)
    asked, targets = f"of {processes} processes", "one for each process"
    return [
        Figure(
            f"{CERTIFICATES} due at once: logins",
            f"{len(server.logins)} {asked}",
            targets,
            len(server.logins) == processes,
        ),
        Figure("look-ups of application and profile", f"{names} {asked}", f"at most {targets}", names <= processes),
        Figure("delivered", str(len(serials)), str(CERTIFICATES), len(serials) == CERTIFICATES and serials <= signed),
        Figure("issued by the server", str(len(signed)), f"{CERTIFICATES}, none in vain", len(signed) == CERTIFICATES),
    ]


def _delivered(running: Emulator) -> set[int]:
    """Return the serial numbers in the secrets."""
    client = boto3.client("secretsmanager", **client_arguments(running))
    pages = client.get_paginator("list_secrets").paginate()
    names = [one["Name"] for page in pages for one in page["SecretList"]]
    values: list[dict[str, Any]] = [
        json.loads(client.get_secret_value(SecretId=name)["SecretString"]) for name in names
    ]
    return {int(value["serial_number"], 16) for value in values}


def _own() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
