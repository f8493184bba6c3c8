"""Are the lock files what pyproject.toml asks for? `--write` makes them so."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.tools.local_stack import ROOT

UV = ROOT / ".venv" / "uv" / "bin" / "uv"
LAYER = "layers/dependencies/requirements.txt"
LOCKS = {
    LAYER: ["pyproject.toml"],
    "requirements/dev.txt": ["pyproject.toml", "--extra", "cli", "--group", "dev", "--constraints", LAYER],
    "requirements/local-stack.txt": ["--group", "local-stack"],
}


def compiled(lock: str, destination: Path) -> str:
    """The lock as uv makes it now; what is locked already stays as it is where it still fits."""
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
    """Exit code 1, and what to run, when a lock is stale."""
    for lock in LOCKS:
        path = ROOT / lock
        if "--write" in sys.argv:
            compiled(lock, path)
            continue
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / path.name
            copy.write_text(path.read_text())
            if compiled(lock, copy) != path.read_text():
                sys.exit(f"{lock} does not fit pyproject.toml; run: make lock")


if __name__ == "__main__":
    main()
