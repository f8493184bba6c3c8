"""Packages of the processes that tests/bench/starts.py measures, with bytecode as in a deployment."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.tools.local_stack import ROOT, tool

LOCK = ROOT / "layers" / "dependencies" / "requirements.txt"


def layer(folder: Path, what: str, target: str | None) -> Path:
    """Build one layer as `sam build` does."""
    destination = folder / what
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    command = [tool("python"), ROOT / "layers" / "build.py", what, destination]
    subprocess.run(
        command,
        env=environment | ({} if target is None else {"EVERCERT_TARGET": target}),
        check=True,
        capture_output=True,
    )
    return destination


def untrimmed(folder: Path) -> Path:
    """Install the packages of the lock file as their authors publish them, and compile their bytecode."""
    destination = folder / "untrimmed"
    install = [tool("python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    install += ["--no-compile", "--require-hashes", "--only-binary", ":all:", "--target", destination / "python"]
    compiled = [tool("python"), "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"]
    for command in ([*install, "-r", LOCK], [*compiled, destination / "python"]):
        subprocess.run(command, check=True, capture_output=True)
    return destination


def trust(layer: Path, ca: str) -> None:
    """Add a CA to every CA bundle in a folder of packages; the bundles stay as large as they are."""
    for path in (*layer.rglob("cacert.pem"), *layer.rglob("amazon_roots.pem")):
        with path.open("a") as file:
            file.write(f"\n{ca}")
