"""Programs from Go modules, built once in .local/go with a Go that is new enough."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
from functools import cache
from pathlib import Path

from tests.tools.local_stack import ROOT

FOLDER = ROOT / ".local" / "go"
NEWEST_GO = "1.24.6"  # a module of the proxy; Go before 1.21 does not load another Go by itself
LOADS_GO = (1, 21)


def installed(module: str, version: str, *programs: str) -> Path:
    """Return the folder with these programs of a module's version; build them if one is missing."""
    folder = FOLDER / f"{programs[0]}-{version}"
    if not all((folder / name).exists() for name in programs):
        environment = {**_environment(), "GOBIN": str(folder)}
        command = [str(_go()), "install", f"{module}@{version}"]
        subprocess.run(command, env=environment, timeout=900, check=True, capture_output=True, text=True)
    return folder


def built(module: Path) -> Path:
    """Return the folder with all programs of a module of ours, which are built again when it changes."""
    digest = hashlib.sha256()
    for file in sorted(file for file in module.rglob("*") if file.is_file()):
        digest.update(f"{file.relative_to(module)}\0".encode() + file.read_bytes())
    folder = FOLDER / f"{module.name}-{digest.hexdigest()[:12]}"
    if not folder.exists():
        partial = folder.with_suffix(".partial")
        command = [str(_go()), "build", "-mod=readonly", "-o", f"{partial}/", "./..."]
        subprocess.run(command, cwd=module, env=_environment(), timeout=900, check=True, capture_output=True, text=True)
        partial.rename(folder)
    return folder


def module_folder(module: Path, dependency: str) -> Path:
    """Return the folder of a dependency of a module of ours, in the version that its go.mod pins."""
    command = [str(_go()), "mod", "download", "-json", dependency]
    done = subprocess.run(
        command, cwd=module, env=_environment(), timeout=600, check=True, capture_output=True, text=True
    )
    return Path(json.loads(done.stdout)["Dir"])


def _environment() -> dict[str, str]:
    return {**os.environ, "GOTOOLCHAIN": "auto"}  # a Go of the module proxy loads no other by default


@cache
def _go() -> Path:
    """Return the system's Go, or a newer one if it is too old to load one."""
    text = subprocess.run(["go", "version"], capture_output=True, text=True, timeout=20, check=True).stdout
    found = re.search(r"go(\d+)\.(\d+)", text)
    assert found is not None, text
    return Path("go") if tuple(map(int, found.groups())) >= LOADS_GO else _newer_go()


def _newer_go() -> Path:
    """Return a Go of the module proxy; the module cache keeps no file executable, so it is copied."""
    target = FOLDER / f"go-{NEWEST_GO}"
    if not target.exists():
        module = f"golang.org/toolchain@v0.0.1-go{NEWEST_GO}.linux-amd64"
        done = subprocess.run(
            ["go", "mod", "download", "-json", module], capture_output=True, text=True, timeout=600, check=True
        )
        partial = target.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(json.loads(done.stdout)["Dir"], partial)
        for path in [partial, *partial.rglob("*")]:
            path.chmod(path.stat().st_mode | stat.S_IWUSR | (0o111 if path.is_dir() or _is_program(path) else 0))
        partial.rename(target)
    return target / "bin" / "go"


def _is_program(path: Path) -> bool:
    return path.parent.name == "bin" or "tool" in path.parts
