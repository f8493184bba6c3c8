"""The storm shares no code with the package that it judges."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.tools.local_stack import ROOT

FOLDER = Path(__file__).parent
SCRIPT = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
sys.exit(", ".join(name for name in sys.modules if name.partition(".")[0] == "evercert"))
"""


def test_storm_imports_nothing_of_the_package() -> None:
    modules = [f"tests.storm.{file.stem}" for file in FOLDER.glob("*.py") if not file.stem.startswith("test_")]
    assert len(modules) > 5
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *modules], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr.strip() == ""
