"""The command: announce the run, ask for confirmation, run, remove in every case, and write the report."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.tools.acceptance import report
from tests.tools.acceptance.deployment import FOLDER, Deployment, State, new_name
from tests.tools.acceptance.removal import Removal
from tests.tools.acceptance.run import Acceptance
from tests.tools.local_stack import ENVIRONMENT, NotRunning

LIMITS = Config(connect_timeout=10, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 4})
ANNOUNCEMENT = """This run deploys evercert to account {account}, region {region}, as stack {name}, and removes it.

It creates: the stack with its authority (functions, roles, tables, 2 KMS keys, queues, topic, HTTP API, schedules, alarms),
3 KMS keys of CAs, 3 secrets and 1 ACM certificate named {name}-..., a queue, and a bucket for the packages.
It takes 15 to 30 minutes and costs about $0.10. It changes and removes nothing that it did not create.
Ctrl-C ends it at any time and removes everything. The keys stay pending deletion, free of charge, for 30 days.
"""


def accept(region: str | None, *, yes: bool) -> int:
    """Start a run in the account of the user's credentials."""
    state = _state(region)
    print(ANNOUNCEMENT.format(**vars(state)))
    if not yes:
        if not sys.stdin.isatty():
            raise NotRunning("not a terminal: pass --yes to confirm (make acceptance YES=1)")
        if input("Continue? [y/N] ").strip().lower() not in {"y", "yes"}:
            return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    client, environment = connect(state)
    deployment = Deployment(state, client, environment)
    return conduct(Acceptance(deployment, environment, FOLDER), Path(environment["ACCEPTANCE_CALLS"]))


def remove(name: str) -> int:
    """Remove the resources of an interrupted run."""
    state = State.load(name)
    if (account := _state(state.region).account) != state.account:
        raise NotRunning(f"run {name} belongs to another account: sign in to {state.account}, not {account}")
    client, environment = connect(state)
    deployment = Deployment(state, client, environment)
    with _interrupts_wait():
        return _end(_remove(Acceptance(deployment, environment, FOLDER)))


def conduct(run: Acceptance, calls: Path) -> int:
    """Run, remove, and write the report; return the exit code."""
    error: BaseException | None = None
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        run.run()
    except (Exception, KeyboardInterrupt) as raised:  # noqa: BLE001 (whatever it was, the removal follows)
        error = raised
        print(f"\nACCEPTANCE FAILED: {type(raised).__name__}: {raised}\n\nremoving everything ...", file=sys.stderr)
    with _interrupts_wait():
        used = _functions(run)
        began_removal = time.monotonic()
        left = _remove(run)
        run.phases.append(("remove everything", time.monotonic() - began_removal))
        _report(run, calls, error=error, left=left, used=used, minutes=(time.monotonic() - began) / 60)
    return _end(left) or int(error is not None)


def connect(state: State) -> tuple[Callable[[str], Any], dict[str, str]]:
    """Return clients, and the environment of the programs; both count their calls."""
    calls = FOLDER / f"{state.name}.calls"
    session = boto3.Session(region_name=state.region)

    def count(model: Any, **_: Any) -> None:
        with calls.open("a") as file:
            file.write(f"{model.service_model.service_name} {model.name}\n")

    session.events.register("before-call", count)
    environment = {
        **os.environ,
        "PATH": f"{ENVIRONMENT / 'bin'}{os.pathsep}{os.environ.get('PATH', '/usr/bin:/bin')}",
        "AWS_REGION": state.region, "AWS_DEFAULT_REGION": state.region, "AWS_PAGER": "", "SAM_CLI_TELEMETRY": "0",
        "EVERCERT_STACK": state.name, "ACCEPTANCE_CALLS": str(calls),
    }  # fmt: skip
    return cache(lambda service: session.client(service, config=LIMITS)), environment


def _state(region: str | None) -> State:
    """Ask AWS who the caller is."""
    session = boto3.Session(region_name=region)
    if not session.region_name:
        raise NotRunning("no AWS region: pass --region or set AWS_REGION")
    try:
        account = session.client("sts", config=LIMITS).get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise NotRunning(
            f"cannot ask AWS for your identity: {error}; sign in, for example with: aws configure"
        ) from error
    return State(new_name(), account, session.region_name)


def _remove(run: Acceptance) -> list[str]:
    print("\n== remove everything", flush=True)
    return Removal(run.deployment, run.evercert).run()


def _functions(run: Acceptance) -> dict[str, dict[str, float]]:
    try:
        return report.functions(run.client("logs"), run.deployment.name)
    except (BotoCoreError, ClientError):
        return {}


def _report(
    run: Acceptance, calls: Path, *, error: BaseException | None, left: list[str], used: Any, minutes: float
) -> None:
    state, counted = run.deployment.state, report.calls(calls)
    keys = sum("kms schedule-key-deletion" in line for line in state.commands)
    dollars = report.cost(counted, used, minutes, keys, secrets=3)
    content = report.build(
        state.region, run.phases, passed=error is None and not left, failure=report.failure(error), not_removed=left,
        calls=counted, functions=used, estimated_dollars=round(dollars, 4),
    )  # fmt: skip
    path = FOLDER / f"{state.name}-report.json"
    path.write_text(json.dumps(report.masked(content, state.account), indent=2) + "\n")
    print(
        f"\n== {sum(counted.values())} calls from this machine, about ${dollars:.2f} (calls of the functions not counted)"
    )
    for title, seconds in run.phases:
        print(f"   {seconds:6.1f} s  {title}")
    print(f"\nreport, without account and secrets: {os.path.relpath(path)}")


def _end(left: list[str]) -> int:
    if not left:
        print("everything that the run created is removed; keys are pending deletion")
        return 0
    print("\nNOT REMOVED:", *left, sep="\n   ", file=sys.stderr)
    return 1


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Do not end the removal at Ctrl-C."""
    known = signal.signal(signal.SIGINT, lambda *_: print("\nstill removing; please wait", file=sys.stderr))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, known)
