"""docs/explanation/architecture.md names the files that a certificate and a request pass, as a call trace measures them."""

from __future__ import annotations

import subprocess
import sys

from tests.tools.local_stack import ROOT


def test_architecture_page_has_current_traces() -> None:
    """Run the traces in a new process: caches that other tests fill shorten a trace."""
    command = [sys.executable, "-m", "pytest", "-q", "tests/functions/call_traces.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
