"""Run the pinned programs that a release needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.tools.local_stack import ENVIRONMENT, ROOT

RELEASE = ROOT / ".venv" / "release" / "bin"
UV = ROOT / ".venv" / "uv" / "bin" / "uv"
# sam runs make, which needs a Python with pip; the layers find the target's interpreter with uv.
PATH = os.pathsep.join([str(ENVIRONMENT / "bin"), str(UV.parent), os.environ["PATH"]])


def run(*command: str | Path, folder: Path, **environment: str) -> str:
    """Run a program in a folder; return its output, or exit with what it printed."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_", "PYTHON"))}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**clean, "PATH": PATH, "SAM_CLI_TELEMETRY": "0", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout
