"""A Python environment with the clients of PyPI, which requirements/acme-clients.txt pins, installed once in .local."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from pathlib import Path

from tests.tools.infisical_sdks import installed, run
from tests.tools.local_stack import ROOT

LOCK = ROOT / "requirements" / "acme-clients.txt"


@cache
def environment_with_clients() -> Path:
    """Return the folder of the environment."""

    def install(folder: Path) -> None:
        run(sys.executable, "-m", "venv", "--without-pip", str(folder / "venv"))
        uv, python = ROOT / ".venv" / "uv" / "bin" / "uv", folder / "venv" / "bin" / "python"
        run(str(uv), "pip", "sync", "--quiet", "--require-hashes", "--python", str(python), str(LOCK))

    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    return installed(f"acme-clients=={digest}", install) / "venv"
