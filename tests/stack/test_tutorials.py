"""Every command of the tutorials runs on the local stack, in the order of the page."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.stack.conftest import Stack
from tests.tools import local_stack
from tests.tools.local_authority import serve_authority
from tests.tools.local_stack import ENVIRONMENT, ROOT

INTERACTIVE = {"console.md"}  # tests/stack/test_console_peers.py does what this page says
PAGES = sorted(page for page in (ROOT / "docs" / "tutorial").glob("*.md") if page.name not in INTERACTIVE)
# The same program, with the configuration of the local stack and the parameters with which the tests deployed it.
SAM = """#!/bin/bash
verb=$1; shift
[ "$verb" = deploy ] && set -- "$@" --parameter-overrides {overrides}
exec {sam} "$verb" --config-env local "$@"
"""


def commands(page: Path) -> list[str]:
    """Return the commands of the page's console blocks, here-documents included."""
    found: list[str] = []
    for block in re.findall(r"^```console\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(line[2:])
            else:
                found[-1] += f"\n{line}"
    return found


def clone(folder: Path) -> Path:
    """Copy the files of the project, as a clone would have them."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def test_tutorials_have_commands() -> None:
    assert [page.stem for page in PAGES] == ["api-enrollment", "first-certificate-aws", "first-certificate-local"]
    assert all(len(commands(page)) > 8 for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_tutorial_commands_succeed(stack: Stack, page: Path, tmp_path: Path) -> None:
    folder = clone(tmp_path / "clone")
    programs = tmp_path / "programs"
    programs.mkdir()
    overrides = " ".join(
        f"'{one}'" for one in local_stack._parameters({"AuthorityAddress": stack.outputs["AuthorityAddress"]})
    )
    (programs / "sam").write_text(SAM.format(sam=ENVIRONMENT / "bin" / "sam", overrides=overrides))
    (programs / "sam").chmod(0o755)
    (programs / "aws").symlink_to(ENVIRONMENT / "bin" / "aws")
    path = [programs, ROOT / ".venv" / "bin", ENVIRONMENT / "bin", "/usr/local/bin", "/usr/bin", "/bin"]
    trusted = tmp_path / "trusted.pem"  # by curl, which knows no test CA
    environment = {
        "PATH": ":".join(map(str, path)),
        "HOME": os.environ.get("HOME", str(tmp_path)),
        "EVERCERT_TARGET": "host",
        **{name: value for name, value in os.environ.items() if name.startswith("PIP_")},
        **stack.running.environment,
        **stack.recording,  # of the keys that the commands create
        **({"CURL_CA_BUNDLE": str(trusted)} if page.stem == "api-enrollment" else {}),  # pip would use it, too
    }
    script = "\n".join(f"echo '+ {number}'; {one}" for number, one in enumerate(commands(page), 1))
    with serve_authority(stack.running, stack.outputs) as found:
        trusted.write_text(found.ca_bundle)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=280, check=False,
        )  # fmt: skip
    stack.said += [done.stdout, done.stderr]
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"subject=.*CN ?= ?(hello|first)\.example\.com", done.stdout), done.stdout
