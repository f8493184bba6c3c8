"""Build the template with `sam build` on a machine without the target's interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.local_stack import ENVIRONMENT, ROOT, tool


@pytest.fixture
def path_without_the_target(tmp_path: Path) -> str:
    """Return a PATH on which `python3.13` does not run, like the shims of version managers."""
    placeholder = tmp_path / "bin" / "python3.13"
    placeholder.parent.mkdir()
    placeholder.write_text("#!/bin/sh\necho not installed >&2\nexit 127\n")
    placeholder.chmod(0o755)
    return os.pathsep.join([str(placeholder.parent), str(ENVIRONMENT / "bin"), "/usr/bin", "/bin"])


@pytest.mark.skipif(sys.version_info[:2] == (3, 13), reason="this very interpreter is the target's")
def test_default_target_builds_from_wheels(tmp_path: Path, path_without_the_target: str) -> None:
    built = tmp_path / "build"
    done = subprocess.run(
        [tool("sam"), "build", "--build-dir", str(built)],
        cwd=ROOT,
        env={"PATH": path_without_the_target, "HOME": str(tmp_path), "SAM_CLI_TELEMETRY": "0", **_pip_settings()},
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "no Python 3.13 here, so the layer carries no bytecode" in done.stdout + done.stderr
    python = built / "DependenciesLayer" / "python"
    assert list(python.glob("pydantic_core/*.cpython-313-aarch64-linux-gnu.so"))
    assert not list(python.rglob("*x86_64*.so"))
    assert not (python / "botocore" / "data" / "ec2").exists()
    assert (built / "EvercertLayer" / "python" / "evercert" / "issuance" / "run.py").exists()
    size = sum(file.stat().st_size for file in python.rglob("*") if file.is_file())
    assert size < 40 << 20


def _pip_settings() -> dict[str, str]:
    """Return pip's index settings of this machine."""
    return {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_", "SSL_", "REQUESTS_"))}
