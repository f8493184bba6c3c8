"""The packaged stack: deployed from its archive alone, with the command of the wheel, it issues a certificate."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from evercert import __version__
from tests.tools.local_stack import REGION, ROOT, Emulator, emulator, outputs, tool
from tests.tools.release import packages, stack
from tests.tools.release.programs import UV, run

pytestmark = pytest.mark.timeout(600)
TIME = 1_800_000_000


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the stack for the running interpreter, and unpack its archive in another place."""
    archive = stack.build(ROOT, tmp_path_factory.mktemp("release") / "stack.zip", TIME, "host")
    folder = tmp_path_factory.mktemp("unpacked")
    with ZipFile(archive) as content:
        content.extractall(folder)
    (found,) = folder.iterdir()
    return found


@pytest.fixture(scope="module")
def started() -> Iterator[Emulator]:
    with emulator() as running:
        yield running


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel; return the path of the command."""
    folder = tmp_path_factory.mktemp("command")
    wheel, _ = packages.build(ROOT, folder, TIME)
    run(UV, "venv", "--quiet", "--python", sys.executable, folder / "venv", folder=folder)
    run(UV, "pip", "install", "--quiet", "--python", folder / "venv" / "bin" / "python", wheel, folder=folder)
    return folder / "venv" / "bin" / "evercert"


def test_archive_holds_what_a_deployment_needs(unpacked: Path) -> None:
    names = {path.name for path in unpacked.iterdir()}
    assert {"template.yaml", "samconfig.toml", "README.md", "LICENSE", "CHANGELOG.md", "DependenciesLayer"} <= names
    assert (unpacked / "EvercertLayer" / "python" / "evercert" / "target").is_file()
    texts = [path for path in unpacked.rglob("*") if path.suffix in {".yaml", ".toml", ".md", ".json"}]
    assert not [path for path in texts if str(ROOT) in path.read_text(errors="replace")]


def test_archive_has_a_valid_template(unpacked: Path) -> None:
    done = run(tool("sam"), "validate", "--lint", "--region", REGION, folder=unpacked)
    assert "is a valid SAM Template" in done


def test_configuration_is_that_of_the_checkout(unpacked: Path) -> None:
    text = (unpacked / "samconfig.toml").read_text()
    assert 'stack_name = "evercert"\n' in text and 'capabilities = "CAPABILITY_IAM"\n' in text
    assert "local" not in text and "build" not in text


def test_archive_deploys_without_a_checkout(unpacked: Path, started: Emulator, command: Path) -> None:
    home = {"HOME": str(unpacked.parent), **started.environment}
    run(tool("sam"), "deploy", "--no-confirm-changeset", folder=unpacked, **home)
    assert outputs(started)["Version"] == __version__
    evercert = {"folder": unpacked, "AWS_EC2_METADATA_DISABLED": "true", **home}
    found = json.loads(run(command, "version", "--stack", "--json", **evercert))
    assert found == {
        "version": __version__,
        "stack": {"name": "evercert", "version": __version__},
        "same": True,
        "remedy": None,
    }
    run(command, "apply", ROOT / "examples" / "web.yaml", "--wait", **evercert)
    assert json.loads(run(command, "list", "--json", **evercert))[0]["state"] == "ready"
    checks = {one["check"]: one["status"] for one in json.loads(run(command, "doctor", "--json", **evercert))}
    assert (checks["version"], checks["certificates"]) == ("ok", "ok")
