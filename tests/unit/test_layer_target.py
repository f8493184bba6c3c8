"""The check that layers and functions fit together."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import timeit
from pathlib import Path

import pytest

from evercert import layer_target
from tests.tools.local_stack import ROOT


def test_target_of_this_process_has_the_form_of_the_parameter() -> None:
    assert re.fullmatch(r"python3\.[0-9]+-(arm64|x86_64)", layer_target.running_target())


def test_checkout_has_no_built_target() -> None:
    assert layer_target.built_target(str(Path(layer_target.__file__).parent)) is None
    layer_target.require_target(None, "python3.13-arm64")


def test_equal_targets_are_accepted(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("python3.13-arm64")
    layer_target.require_target(layer_target.built_target(str(tmp_path)), "python3.13-arm64")


@pytest.mark.parametrize("running", ["python3.13-x86_64", "python3.12-arm64"], ids=["architecture", "runtime"])
def test_another_target_is_refused_in_one_line(running: str) -> None:
    with pytest.raises(ImportError) as caught:
        layer_target.require_target("python3.13-arm64", running)
    assert str(caught.value) == (
        f"cannot start: the layers were built for python3.13-arm64, and the function runs on {running}; build them with "
        f"EVERCERT_TARGET={running}, or deploy with Runtime=python3.13 Architecture=arm64"
    )


def test_import_of_a_wrong_layer_fails_before_others(tmp_path: Path) -> None:
    package = tmp_path / "evercert"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "layer_target.py").write_bytes(Path(layer_target.__file__).read_bytes())
    (package / "target").write_text("python3.99-arm64")
    done = subprocess.run(
        [sys.executable, "-S", "-c", "import evercert.layer_target"],
        cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stderr.splitlines()[-1].startswith(
        "ImportError: cannot start: the layers were built for python3.99-arm64"
    )


@pytest.mark.parametrize("name", ["authority", "checker", "issuer", "signer"])
def test_functions_check_the_target_first(name: str) -> None:
    lines = (ROOT / "functions" / name / "app.py").read_text().splitlines()
    imports = [line for line in lines if line.startswith(("import ", "from ")) and "__future__" not in line]
    assert imports[0].startswith("import evercert.layer_target")


def test_check_of_the_target_costs_microseconds(tmp_path: Path) -> None:
    (tmp_path / "target").write_text(layer_target.running_target())
    folder = str(tmp_path)

    def check() -> None:
        layer_target.require_target(layer_target.built_target(folder), layer_target.running_target())

    assert min(timeit.repeat(check, number=10, repeat=5)) / 10 < 0.001


def test_module_checks_when_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr("os.uname", lambda: seen.append(1) or type("Names", (), {"machine": "aarch64"}))
    importlib.reload(layer_target)
    assert seen
