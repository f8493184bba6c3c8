"""import-linter refuses each forbidden import: every one is injected into a copy of the package."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.local_stack import ROOT

PACKAGE = ROOT / "layers" / "evercert" / "evercert"
LINTER = Path(sys.executable).with_name("lint-imports")
FORBIDDEN = {
    "issuance/run.py": "evercert.authority.contracts.records",
    "aws/sqs.py": "evercert.cli.files",
    "destinations/acm.py": "evercert.issuers.self_signed",
    "authority/signer/signer.py": "evercert.authority.infisical_api.routes",
    "authority/policy/policy.py": "evercert.authority.infisical_api.dispatcher",
    "http_client/client.py": "evercert.aws.clients",
    "scheduling/checker.py": "evercert.aws.sqs",
    "issuers/self_signed.py": "evercert.destinations.acm",
    "operations/apply.py": "evercert.aws.clients",
    "authority/api_errors.py": "evercert.issuance.settings",
    "pki/keys.py": "boto3",
    "contracts/ports.py": "evercert.http_client.client",
    "schema.py": "evercert.pki.identifiers",
    "aws/sns.py": "typer",
    "host/agent.py": "evercert.cli.files",
    "console/app.py": "evercert.cli.files",
    "console/services.py": "evercert.host.agent",
    "console/inventory.py": "evercert.aws.clients",
    "console/forms.py": "boto3",
}


def lint(package: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the package that lies in the folder of `package`."""
    command = [str(LINTER), "--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    environment = {"PYTHONPATH": str(package.parent), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        command, cwd=package.parent, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("layers") / "evercert"
    shutil.copytree(PACKAGE, target, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def test_layers_hold_as_they_are(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("file", "module"), FORBIDDEN.items(), ids=FORBIDDEN)
def test_layers_refuse_a_forbidden_import(copy: Path, file: str, module: str) -> None:
    path = copy / file
    text = path.read_text()
    path.write_text(
        text.replace("from __future__ import annotations\n", f"from __future__ import annotations\n\nimport {module}\n")
    )
    try:
        done = lint(copy)
    finally:
        path.write_text(text)
    assert done.returncode == 1
    source = f"evercert.{file.removesuffix('.py').replace('/', '.')}"
    assert source in done.stdout.replace("\n", " ")


def test_layers_refuse_a_circle_of_packages(copy: Path) -> None:
    path = copy / "authority" / "ca" / "definition.py"
    text = path.read_text()
    path.write_text(f"{text}\nimport evercert.authority.configuration.profiles\n")
    try:
        done = lint(copy)
    finally:
        path.write_text(text)
    assert done.returncode == 1
    assert "No cycles are allowed in evercert.authority" in done.stdout
