"""Lint certificates and CRLs with zlint, which `go install` builds once in .local/go."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.tools.local_stack import ROOT

MODULE = "github.com/zmap/zlint/v3/cmd/zlint"
# The second one is the last that the Go of Debian 12 builds: older than 1.21, it cannot load the Go that others need.
VERSION, VERSION_OF_OLD_GO, LOADS_GO = "v3.7.3", "v3.6.1", (1, 21)
BAD = {"error", "fatal"}


def lint(objects: Mapping[str, x509.Certificate | x509.CertificateRevocationList]) -> dict[str, list[str]]:
    """Return the names of the lints that report an error, by the names of the objects."""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for place, one in enumerate(objects.values()):
            files.append(Path(folder) / f"{place}.pem")
            files[-1].write_bytes(one.public_bytes(serialization.Encoding.PEM))
        done = subprocess.run([program(), *files], capture_output=True, text=True, timeout=120, check=True)
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) == len(objects), done.stderr
    return {
        name: sorted(lint for lint, found in result.items() if found["result"] in BAD)
        for name, result in zip(objects, results, strict=True)
    }


@cache
def program() -> Path:
    """Build zlint if .local has no binary of this version."""
    text = subprocess.run(["go", "version"], capture_output=True, text=True, timeout=20, check=True).stdout
    found = re.search(r"go(\d+)\.(\d+)", text)
    assert found is not None, text
    version = VERSION if tuple(map(int, found.groups())) >= LOADS_GO else VERSION_OF_OLD_GO
    folder = ROOT / ".local" / "go" / version
    if not (folder / "zlint").exists():
        environment = {**os.environ, "GOBIN": str(folder)}
        subprocess.run(["go", "install", f"{MODULE}@{version}"], env=environment, timeout=900, check=True)
    return folder / "zlint"
