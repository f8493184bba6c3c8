"""Issue 200 certificates that are due at once on the deployed local stack; measure throughput and processor time.

The emulator answers all calls from one process, so certificates per second say how fast this machine's emulator is. The
share says more: of the processor time that the stack took, how much was the functions', and how much the emulator's.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import boto3

from tests.bench.figures import Figure, Part, p95, table
from tests.tools.local_stack import ROOT, STACK, Emulator, build, client_arguments, deploy, emulator

CERTIFICATES = 200
LONGEST = 180  # seconds
TICK = os.sysconf("SC_CLK_TCK")


def measure() -> Part:
    with emulator() as running:
        build()
        deploy(running)
        used = processor_time(running.process.pid)
        began = time.monotonic()
        apply(running, {"type": "self-signed"}, CERTIFICATES)
        applied = time.monotonic() - began
        events = issued(running, CERTIFICATES)
        took = time.monotonic() - began
        after = processor_time(running.process.pid)
    emulated, functions = after[0] - used[0], after[1] - used[1]
    durations = [1000 * float(event["duration"]) for event in events if event["duration"]]
    share = functions / (emulated + functions)
    span = (events[-1]["at"] - events[0]["at"]) / 1000
    part = Part(
        [
            Figure(f"{CERTIFICATES} due at once: certificates a second", f"{(CERTIFICATES - 1) / span:.1f}"),
            Figure("the functions' share of the processor time", f"{100 * share:.0f} %"),
        ]
    )
    rows = [
        ("applied, with a nudge for each", f"{applied:.1f} s"),
        ("from the first command to the last certificate", f"{took:.1f} s"),
        ("processor time of the emulator", f"{emulated:.1f} s"),
        ("processor time of the functions, their cold starts included", f"{functions:.1f} s"),
        ("the same for each certificate", f"{1000 * functions / CERTIFICATES:.0f} ms"),
    ]
    if durations:
        rows.append(("an invocation, p95, as the platform reports it", f"{p95(durations) / 1000:.0f} ms"))
    part.lines += table(("", ""), rows)
    return part


def apply(running: Emulator, issuer: dict[str, Any], count: int) -> None:
    """Apply this number of certificates of the issuer with one command."""
    certificates = [
        {
            "name": f"burst-{number:03d}",
            "issuer": "main",
            "attributes": {"common-name": "www.example.com", "ttl": "90d"},
            "destinations": [{"type": "secrets-manager"}],
        }
        for number in range(count)
    ]
    content = {"version": "evercert/v1", "issuers": {"main": issuer}, "certificates": certificates}
    with tempfile.TemporaryDirectory() as folder:
        document = Path(folder) / "burst.yaml"
        document.write_text(json.dumps(content))
        command = [str(ROOT / ".venv" / "bin" / "evercert"), "apply", str(document)]
        environment = {"PATH": "/usr/bin:/bin", **running.environment}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LONGEST, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"evercert apply failed: {done.stderr[-2000:]}")


def issued(running: Emulator, count: int) -> list[dict[str, Any]]:
    """Wait for all certificates; return the time of each issuance and the duration of each invocation."""
    logs = boto3.client("logs", **client_arguments(running))
    give_up = time.monotonic() + LONGEST
    while time.monotonic() < give_up:
        lines: list[dict[str, Any]] = []
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=f"/evercert/{STACK}/issuer"):
            lines += page["events"]
        at = sorted(line["timestamp"] for line in lines if '"certificate.issued"' in line["message"])
        if len(at) >= count:
            reports = [line["message"] for line in lines if line["message"].startswith("REPORT")]
            durations = [report.split("Duration: ")[1].split(" ")[0] for report in reports][: len(at)]
            return [
                {"at": moment, "duration": duration}
                for moment, duration in zip(at, durations + [""] * len(at), strict=False)
            ]
        time.sleep(1)
    raise RuntimeError(f"only {len(at)} of {count} were issued within {LONGEST} s")


def processor_time(server: int) -> tuple[float, float]:
    """Return processor seconds of the emulator and of its child processes, including ended ones; Linux only."""
    own, functions = 0.0, 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, fields = int(stat.parent.name), stat.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # the process ended
        if int(fields[2]) != server:  # its process group, which the emulator leads
            continue
        user, system, ended_user, ended_system = (int(field) / TICK for field in fields[11:15])
        if pid == server:
            own, functions = user + system, functions + ended_user + ended_system
        else:
            functions += user + system
    return own, functions
