"""Wheel and sdist: reproducible, and a working command in an environment without anything else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from evercert import __version__
from tests.tools.console_scripts import VENDOR
from tests.tools.local_stack import ROOT
from tests.tools.release import packages
from tests.tools.release.programs import UV, run

TIME = 1_800_000_000
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
LOCALE = {"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    wheel, sdist = packages.build(ROOT, tmp_path_factory.mktemp("packages"), TIME)
    return {"wheel": wheel, "sdist": sdist}


@pytest.fixture(scope="module")
def installed(built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Callable[..., str]]:
    """Install a package with pip, and nothing else; return the command, which runs outside the checkout."""

    def install(kind: str, python: str = sys.executable) -> Callable[..., str]:
        folder = tmp_path_factory.mktemp("installed")
        run(UV, "venv", "--quiet", "--python", python, folder / "venv", folder=folder)
        pip = [UV.with_name("python"), "-m", "pip", "--python", folder / "venv" / "bin" / "python"]
        run(*pip, "install", "--quiet", "--no-compile", built[kind], folder=folder)

        def command(*arguments: str) -> str:
            program = [folder / "venv" / "bin" / "evercert", *arguments]
            done = subprocess.run(
                program, cwd=folder, env=LOCALE, capture_output=True, text=True, timeout=60, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        return command

    return install


def interpreter(version: str) -> str:
    """Return a working interpreter of this version; skip the test without one."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    found = subprocess.run(
        [UV, "python", "find", "--no-python-downloads", version],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if found.returncode != 0:
        pytest.skip(f"no Python {version} on this machine")
    return found.stdout.strip()


def check(command: Callable[..., str]) -> None:
    assert command("--version") == f"evercert {__version__}\n"
    assert json.loads(command("version", "--json")) == {"version": __version__}
    assert "Exit codes: 0 done" in command("--help")
    command("validate", str(ROOT / "examples" / "web.yaml"))
    plan = command("validate", "--json", str(ROOT / "examples" / "agent.yaml"))
    assert json.loads(plan)


@pytest.mark.parametrize("version", PYTHONS)
def test_wheel_gives_a_working_command(version: str, installed: Callable[..., Callable[..., str]]) -> None:
    check(installed("wheel", interpreter(version)))


def test_sdist_gives_a_working_command(installed: Callable[..., Callable[..., str]]) -> None:
    check(installed("sdist"))


def test_packages_contain_readme_and_license(built: dict[str, Path]) -> None:
    with tarfile.open(built["sdist"]) as archive:
        names = set(archive.getnames())
    folder = f"evercert-{__version__}"
    assert {f"{folder}/{name}" for name in ("README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml")} <= names
    assert not [name for name in names if "/tests/" in name or "__pycache__" in name]
    with ZipFile(built["wheel"]) as archive:
        names = set(archive.namelist())
        metadata = archive.read(f"{folder}.dist-info/METADATA").decode()
    assert f"{folder}.dist-info/licenses/LICENSE" in names
    assert "evercert/authority/infisical_api/openapi.json" in names
    assert {name.partition("/")[0] for name in names} == {"evercert", f"{folder}.dist-info"}
    assert "\n# evercert\n" in metadata and "License-Expression: Apache-2.0\n" in metadata
    assert re.findall(r"^Provides-Extra: (.*)$", metadata, re.MULTILINE) == ["console"]
    assert "Requires-Dist: typer" in metadata
    assert re.search(r"^Requires-Dist: starlette>=\S+ ?; extra == 'console'$", metadata, re.MULTILINE)


def test_packages_contain_the_scripts_of_the_console(built: dict[str, Path]) -> None:
    scripts = {file.name: file.read_bytes() for file in (ROOT / VENDOR).glob("*")}
    if not scripts:
        pytest.skip("npm has not built the scripts of the console")
    with ZipFile(built["wheel"]) as archive:
        assert {name: archive.read(f"evercert/console/static/vendor/{name}") for name in scripts} == scripts
        assert not [
            name for name in archive.namelist() if name.endswith(("package.json", ".mjs")) or "node_modules" in name
        ]


def test_packages_are_reproducible(built: dict[str, Path], tmp_path: Path) -> None:
    again = packages.build(ROOT, tmp_path, TIME)
    assert [file.read_bytes() for file in again] == [built[kind].read_bytes() for kind in ("wheel", "sdist")]
