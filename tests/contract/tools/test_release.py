"""`make release`: preconditions, archives, checksums and SBOM."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from evercert import __version__
from tests.tools.local_stack import ROOT
from tests.tools.locks import LAYER
from tests.tools.release import archives, preconditions, sbom, stack
from tests.tools.release.commit import Commit
from tests.tools.release.programs import RELEASE, run

TIME = 1_800_000_000
FILES = ("CHANGELOG.md", "template.yaml", str(preconditions.PACKAGE))
AUTHOR = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
NO_GIT = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository with the files that the preconditions read, all committed."""
    monkeypatch.setattr(stack, "has_interpreter", lambda: True)
    for file in FILES:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    commit(tmp_path)
    return tmp_path


def commit(clone: Path) -> None:
    subprocess.run(["git", "add", "--all"], cwd=clone, check=True)
    subprocess.run(["git", *AUTHOR, "commit", "--quiet", "--message", "x"], cwd=clone, check=True)


def replace(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


@NO_GIT
def test_release_accepts_this_version(clone: Path) -> None:
    assert preconditions.problem(clone) is None


@NO_GIT
@pytest.mark.parametrize("file", ["new.txt", "template.yaml"], ids=["untracked", "changed"])
def test_release_refuses_uncommitted_changes(clone: Path, file: str) -> None:
    with (clone / file).open("a") as text:
        text.write("# changed\n")
    assert preconditions.problem(clone) == f"{file} not committed; commit or remove it"


@NO_GIT
def test_release_needs_a_section_in_the_changelog(clone: Path) -> None:
    replace(clone / "CHANGELOG.md", f"## {__version__}", "## Unreleased")
    commit(clone)
    assert str(preconditions.problem(clone)).startswith(f"CHANGELOG.md has no section {__version__}; add one")


@NO_GIT
def test_release_needs_one_version(clone: Path) -> None:
    replace(clone / "template.yaml", f'Value: "{__version__}"', 'Value: "0.0.1"')
    commit(clone)
    assert str(preconditions.problem(clone)).startswith(f"the output Version in template.yaml is not {__version__};")


@NO_GIT
def test_release_needs_bytecode(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "has_interpreter", lambda: False)
    assert str(preconditions.problem(clone)).startswith("no Python 3.13 to compile the bytecode of the layers;")


@NO_GIT
def test_commit_exports_committed_files_only(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    exported = tmp_path_factory.mktemp("exported")
    (clone / "new.txt").write_text("x")
    Commit(clone).export(exported)
    assert {str(file.relative_to(exported)) for file in exported.rglob("*") if file.is_file()} == set(FILES)


def test_target_is_the_default_of_the_template() -> None:
    parameters = (ROOT / "template.yaml").read_text().partition("\nParameters:")[2]
    for name, value in zip(("Runtime", "Architecture"), stack.TARGET.split("-"), strict=True):
        assert f"Default: {value}\n" in parameters.partition(f"\n  {name}:\n")[2][:400]


def test_zip_depends_on_the_content_only(tmp_path: Path) -> None:
    made = []
    for name, mode, when in (("a", 0o644, 1_700_000_000), ("b", 0o600, 1_750_000_000)):
        folder = tmp_path / name / "stack"
        (folder / "function").mkdir(parents=True)
        for file in sorted(("template.yaml", "function/app.py"), reverse=name == "b"):
            (folder / file).write_text(file)
            (folder / file).chmod(mode)
            os.utime(folder / file, (when, when))
        archives.write_zip(folder, tmp_path / f"{name}.zip", TIME)
        made.append((tmp_path / f"{name}.zip").read_bytes())
    assert made[0] == made[1]


def test_checksums_are_those_of_sha256sum(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("b.whl", "a.zip")]
    for file in files:
        file.write_text(file.name)
    checksums = archives.write_checksums(files)
    checked = ["sha256sum", "--check", "--strict", checksums.name]
    assert subprocess.run(checked, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    files[0].write_text("changed")
    assert subprocess.run(checked, cwd=tmp_path, capture_output=True, check=False).returncode == 1


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    file = sbom.write(ROOT, tmp_path_factory.mktemp("sbom") / "sbom.cdx.json", __version__, TIME)
    code = "import sys; from cyclonedx.schema import SchemaVersion; from cyclonedx.validation.json import JsonStrictValidator; "
    code += "print(JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read()))"
    assert run(RELEASE / "python", "-c", code, file, folder=file.parent).strip() == "None"
    return dict(json.loads(file.read_text()))


def test_sbom_lists_the_packages_of_stack_and_command(found: dict[str, Any]) -> None:
    parts = {one["name"].lower(): one["properties"][-1]["value"] for one in found["components"]}
    assert {parts["boto3"], parts["pydantic"], parts["typing_extensions"]} == {sbom.BOTH}
    assert {parts["typer"], parts["rich"], parts["pyyaml"]} == {sbom.ONLY_COMMAND}
    root = found["metadata"]["component"]
    assert (root["name"], root["version"]) == ("evercert", __version__)
    (direct,) = (one["dependsOn"] for one in found["dependencies"] if one["ref"] == root["bom-ref"])
    assert any(one.startswith("boto3==") for one in direct)
    assert all(one.get("licenses") for one in found["components"]), "a package without a license"


def test_sbom_holds_nothing_of_this_machine(found: dict[str, Any]) -> None:
    text = json.dumps(found)
    assert "file:" not in text and str(ROOT) not in text
    assert "serialNumber" not in found and found["metadata"]["timestamp"].startswith("2027-01-15T08:00:00")


def test_sbom_misses_no_package_of_the_layer(found: dict[str, Any]) -> None:
    lock = (ROOT / LAYER).read_text() + "\nunknown-package==1.0 \\\n"
    with pytest.raises(ValueError, match="missing in the SBOM: unknown-package"):
        sbom.completed(found, __version__, lock)
