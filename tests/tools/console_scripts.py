"""Build the console's third-party scripts with npm, as layers/evercert/browser/package-lock.json pins them.

`make setup` runs it. Without npm, or without its registry, it prints one line, and only the console misses its scripts;
with CI=true that fails.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.tools.local_stack import ROOT

SOURCES = Path("layers", "evercert", "browser")
VENDOR = Path("layers", "evercert", "evercert", "console", "static", "vendor")
NODE_MODULES = ROOT / ".venv" / "browser"
OLDEST_NODE = 18
_CI = [
    "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1", "--loglevel=error",
]  # fmt: skip


class MissingScriptsError(Exception):
    """The packages cannot be installed on this machine; the message says why."""


def install(sources: Path = ROOT) -> Path:
    """Install the locked packages once in .venv/browser and return it; raises MissingScriptsError."""
    lock = (sources / SOURCES / "package-lock.json").read_text()
    installed = NODE_MODULES / "installed.json"
    if installed.is_file() and installed.read_text() == lock:
        return NODE_MODULES
    for program in ("npm", "node"):
        if shutil.which(program) is None:
            raise MissingScriptsError(f"{program} is not installed")
    answer = subprocess.run(["node", "--version"], capture_output=True, text=True, timeout=60, check=False).stdout
    version = re.match(r"v(\d+)\.", answer)
    if version is None or int(version[1]) < OLDEST_NODE:
        raise MissingScriptsError(f"Node.js {OLDEST_NODE} or newer is needed; this is {answer.strip() or 'unknown'}")
    NODE_MODULES.mkdir(parents=True, exist_ok=True)
    installed.unlink(missing_ok=True)
    for file in ("package.json", "package-lock.json"):
        shutil.copy(sources / SOURCES / file, NODE_MODULES)
    try:
        subprocess.run(_CI, cwd=NODE_MODULES, capture_output=True, text=True, timeout=300, check=True)
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or [f"exit code {error.returncode}"]
        raise MissingScriptsError(f"npm ci: {lines[0]}") from error
    except subprocess.TimeoutExpired as error:
        raise MissingScriptsError("npm ci: no end after 300 s") from error
    installed.write_text(lock)
    return NODE_MODULES


def build(sources: Path = ROOT) -> Path:
    """Write the scripts below these sources and return their folder; raises MissingScriptsError."""
    folder = install(sources)
    for file in (sources / SOURCES).iterdir():
        shutil.copy(file, folder)
    shutil.rmtree(sources / VENDOR, ignore_errors=True)
    command = ["node", "build.mjs", str(sources / VENDOR)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        sys.exit(f"the build of the console's scripts failed:\n{done.stdout}{done.stderr}")
    return sources / VENDOR


def main() -> None:
    """Build the scripts, or print why they are missing; exit with code 1 for that only in CI."""
    try:
        build()
    except MissingScriptsError as error:
        message = f"the scripts of `evercert console` were not built: {error}"
        if os.environ.get("CI") == "true":
            sys.exit(message)
        print(message)


if __name__ == "__main__":
    main()
