"""500 certificates on one host: calls, memory and processor time of `evercert agent`, beside AWS that costs nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tests.bench.figures import Figure, Part, table
from tests.tools.local_stack import ROOT
from tests.tools.ports import free_port

CERTIFICATES = 500
CHECKS_PER_HOUR = 12
# Measured on another day on the same kind of machine, with its own server: docs/reference/issuers/infisical.md.
AGENT = {"issued by the agent": 0, "with certificate-id": 18_000}  # calls an hour at rest, 100 certificates


@dataclass(frozen=True)
class Pass:
    """One run of `evercert agent --once` over all certificates."""

    seconds: float
    processor: float
    memory: int  # MiB
    calls: dict[str, int]


def measure() -> Part:
    """Install, check at rest, and renew all certificates, each in a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.aws_stand_in", str(port)]
    with tempfile.TemporaryDirectory() as folder, subprocess.Popen(command, cwd=ROOT) as aws:
        try:
            _answer(port, "calls", patience=10)
            config = _config(Path(folder))
            one = _run(config, port, _config(Path(folder), 1))
            first, rest = _run(config, port), _run(config, port)
            urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/renew", b"", method="POST"))
            renewed = _run(config, port)
        finally:
            aws.send_signal(signal.SIGKILL)
    return _part(one, first, rest, renewed)


def _part(one: Pass, first: Pass, rest: Pass, renewed: Pass) -> Part:
    at_rest = (rest.processor - one.processor) * CHECKS_PER_HOUR
    rows = [
        (name, f"{found.seconds:.1f} s", f"{found.processor:.1f} s", f"{found.memory} MiB", _listed(found.calls))
        for name, found in (
            ("start with 1", one),
            ("first installation", first),
            ("nothing new", rest),
            ("renewal", renewed),
        )
    ]
    figures = [
        Figure("calls at rest, for each certificate and check", f"{rest.calls['GetItem'] / CERTIFICATES:.2f}", "1", rest.calls["GetItem"] == CERTIFICATES),
        Figure("calls of a renewal, for each certificate", f"{sum(renewed.calls.values()) / CERTIFICATES:.2f}", "2", sum(renewed.calls.values()) <= 2 * CERTIFICATES + 1),
        Figure("processor time at rest, of one core", f"{at_rest / 3_600:.2%}"),
        Figure("memory", f"{renewed.memory} MiB"),
    ]  # fmt: skip
    return Part(figures, table(("pass", "wall", "processor", "memory", "calls"), rows))


def _listed(calls: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(calls.items()))


def _config(folder: Path, certificates: int = CERTIFICATES) -> Path:
    """Write the host's file."""
    entries = [
        {
            "name": f"web-{number}",
            "application-name": "web",
            "profile-name": "tls",
            "file-output": {
                kind: {"path": f"{folder}/{certificates}/{number}/{kind}.pem"}
                for kind in ("certificate", "private-key", "chain")
            },
        }
        for number in range(certificates)
    ]
    path = folder / f"{certificates}.yaml"
    path.write_text(json.dumps({"version": "v2", "certificates": entries}))
    return path


def _run(config: Path, port: int, instead: Path | None = None) -> Pass:
    """Run one pass; the figures are those of the process."""
    config = instead or config
    environment = {
        "PATH": os.environ["PATH"], "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
    }  # fmt: skip
    command = [str(ROOT / ".venv" / "bin" / "evercert"), "agent", "--config", str(config), "--once"]
    command += ["--state-directory", f"{config}.state"]
    begin = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"the agent ended with {process.returncode}")
    seconds = time.monotonic() - begin
    return Pass(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1_024, json.loads(_answer(port, "calls")))


def _answer(port: int, path: str, patience: float = 0) -> bytes:
    give_up = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
                return bytes(answer.read())
        except OSError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.1)
