"""The packaged stack: what `sam build` makes of a commit, for `sam deploy` without a checkout."""

from __future__ import annotations

import shutil
import sys
import tempfile
import tomllib
from pathlib import Path

from tests.tools.local_stack import ROOT, tool
from tests.tools.release.archives import write_zip
from tests.tools.release.programs import run

TARGET = "python3.13-arm64"  # the defaults of the parameters Runtime and Architecture
VERSION = TARGET.partition("-")[0].removeprefix("python")
README = Path(__file__).with_name("stack-readme.md")
SECTIONS = ("global", "deploy")  # of samconfig.toml; the stack is built already


def build(sources: Path, archive: Path, time: int, target: str = TARGET) -> Path:
    """Build the stack of these sources for the target and write the archive."""
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder, archive.stem)
        run(tool("sam"), "build", "--build-dir", built, folder=sources, EVERCERT_TARGET=target)
        for file in (sources / "LICENSE", sources / "CHANGELOG.md"):
            shutil.copy(file, built)
        (built / "samconfig.toml").write_text(configuration((sources / "samconfig.toml").read_text()))
        (built / "README.md").write_text(README.read_text())
        write_zip(built, archive, time)
    return archive


def configuration(text: str) -> str:
    """Return the part of samconfig.toml that `sam deploy` reads."""
    found = tomllib.loads(text)
    lines = [f"version = {found['version']}\n"]
    for section in SECTIONS:
        lines.append(f"\n[default.{section}.parameters]\n")
        lines += [f"{key} = {_toml(value)}\n" for key, value in found["default"][section]["parameters"].items()]
    return "".join(lines)


def _toml(value: str | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"'


def has_interpreter() -> bool:
    """Return whether the layers would contain bytecode."""
    code = f"import build; print(build.find_interpreter({VERSION!r}) or '')"
    return run(sys.executable, "-c", code, folder=ROOT / "layers").strip() != ""
