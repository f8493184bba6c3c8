"""Check that the lock files match pyproject.toml; `--write` updates them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.tools.local_stack import ROOT

UV = ROOT / ".venv" / "uv" / "bin" / "uv"
LAYER, COMMAND = "layers/dependencies/requirements.txt", "requirements/command.txt"
LOCKS = {
    LAYER: ["--group", "layer"],
    COMMAND: ["pyproject.toml", "--extra", "console", "--constraints", LAYER],
    "requirements/dev.txt": ["pyproject.toml", "--extra", "console", "--group", "dev", "--constraints", COMMAND],
    "requirements/local-stack.txt": ["--group", "local-stack"],
    "requirements/moto.txt": ["--group", "moto"],
    "requirements/acme-clients.txt": ["--group", "acme-clients"],
    "requirements/release.txt": ["--group", "release"],
}


def compiled(lock: str, destination: Path) -> str:
    """Return the lock that uv compiles now; locked versions that still match remain."""
    command = [
        UV,
        "pip",
        "compile",
        "--quiet",
        "--universal",
        "--python-version",
        "3.11",
        "--generate-hashes",
        "--no-header",
    ]
    subprocess.run([*command, *LOCKS[lock], "--output-file", destination], cwd=ROOT, check=True)
    return destination.read_text()


def main() -> None:
    """Exit with code 1 and the command that helps if a lock is out of date."""
    for lock in LOCKS:
        path = ROOT / lock
        if "--write" in sys.argv:
            compiled(lock, path)
            continue
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / path.name
            copy.write_text(path.read_text())
            if compiled(lock, copy) != path.read_text():
                sys.exit(f"{lock} does not match pyproject.toml; run: make lock")


if __name__ == "__main__":
    main()
