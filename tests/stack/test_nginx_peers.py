"""From a document to nginx with a renewed certificate, by the commands of the page."""

from __future__ import annotations

import os
import subprocess
import uuid
from pathlib import Path

import pytest
from cryptography import x509

from tests.stack.conftest import Stack, document
from tests.tools.local_stack import ENVIRONMENT, ROOT
from tests.tools.pages import blocks
from tests.tools.ports import free_port

pytestmark = [pytest.mark.peer("nginx"), pytest.mark.peer("openssl"), pytest.mark.peer("flock")]


def test_page_serves_a_renewed_certificate(stack: Stack, tmp_path: Path) -> None:
    name = f"nginx-{uuid.uuid4().hex[:8]}"
    assert stack.evercert("apply", document(tmp_path, name), "--wait").returncode == 0
    first = serial(stack, name)
    (script,) = blocks("how-to/serve-nginx-haproxy.md", section="Try it on the local stack")
    script = (
        script.replace("renew hello", f"renew {name}").replace("/hello", f"/{name}").replace("9443", str(free_port()))
    )
    path = f"{ROOT}/.venv/bin:{ENVIRONMENT}/bin:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
        env={**stack.running.environment, "PATH": path, "TMPDIR": str(tmp_path), "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    served = next(line for line in done.stdout.splitlines() if line.startswith("serial="))
    second = serial(stack, name)
    assert int(served.removeprefix("serial="), 16) == second != first


def serial(stack: Stack, name: str) -> int:
    return x509.load_pem_x509_certificate(stack.secret(name)["certificate"].encode()).serial_number
