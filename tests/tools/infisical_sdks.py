"""Install the SDKs of Infisical once in .local/sdks: infisicalsdk from PyPI, @infisical/sdk from npm.

They are apart from the development environment, because their dependencies are none of its lock.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tools.local_stack import ROOT
from tests.tools.peers import REFUSED, REQUIRED

PYTHON, NODE = "infisicalsdk==1.0.18", "@infisical/sdk@5.0.2"
_FOLDER = ROOT / ".local" / "sdks"
_UV = ROOT / ".venv" / "uv" / "bin" / "uv"


def python_with_sdk() -> Path:
    """Return a Python interpreter that can import `infisical_sdk`."""
    return installed(PYTHON, _install_python) / "venv" / "bin" / "python"


def node_modules_with_sdk() -> Path:
    """Return a folder from which Node.js can load `@infisical/sdk`."""
    return installed(NODE, _install_node)


def _install_python(folder: Path) -> None:
    run(sys.executable, "-m", "venv", "--without-pip", str(folder / "venv"))
    run(str(_UV), "pip", "install", "--quiet", "--python", str(folder / "venv" / "bin" / "python"), PYTHON)


def _install_node(folder: Path) -> None:
    flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--loglevel=error"]
    run("npm", "install", *flags, "--prefix", str(folder), NODE)


def installed(package: str, install: Callable[[Path], None]) -> Path:
    """Return the folder of a package; it appears only when it is complete. Skip if the registry does not answer.

    Where peers are required, the failure remains one.
    """
    name = package.replace("/", "-").replace("==", "-").lstrip("@").replace("@", "-")
    folder = _FOLDER / name
    if folder.exists():
        return folder
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_FOLDER) as temporary:
        made = Path(temporary) / name
        made.mkdir()
        try:
            install(made)
        except (subprocess.SubprocessError, OSError) as error:
            if REQUIRED and package not in REFUSED:
                raise
            pytest.skip(f"{package} cannot be installed: {error}")
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    return folder


def run(*command: str) -> None:
    subprocess.run(command, capture_output=True, timeout=600, check=True)
