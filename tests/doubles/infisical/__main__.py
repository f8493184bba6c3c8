"""The server as a process, for the local stack: `python -m tests.doubles.infisical --port 8443 --state DIR [--seed FILE]`.

DIR gets `ca.pem`, which a client has to trust, and `server.json`: the address and the planted credentials.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

from tests.doubles.infisical import Planted
from tests.doubles.infisical.seed import plant


def described(server: Planted, seeded: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "address": server.address,
        "identityId": server.machine.id,
        "clientId": server.client_id,
        "clientSecret": server.client_secret,
        "project": "my-project",
        "application": server.application.name,
        "profile": server.profile.slug,
        "identities": seeded,
    }


def main() -> None:
    arguments = argparse.ArgumentParser(prog="tests.doubles.infisical", description=__doc__)
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--state", type=Path, required=True)
    arguments.add_argument("--seed", type=Path, help="JSON: organizations, profiles, applications, identities")
    arguments.add_argument("--plain", action="store_true", help="http")
    given = arguments.parse_args()
    with Planted(port=given.port, tls=not given.plain) as server:
        seeded = plant(server, json.loads(given.seed.read_text())) if given.seed else []
        given.state.mkdir(parents=True, exist_ok=True)
        if server.ca_bundle:
            (given.state / "ca.pem").write_text(server.ca_bundle)
        file = given.state / "server.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(described(server, seeded), indent=2) + os.linesep)
        print(server.address, flush=True)
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        ended.wait()


if __name__ == "__main__":
    main()
