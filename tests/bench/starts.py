"""Cold starts in fresh processes, and the size of the layers.

The layers are built as for a deployment, with bytecode and exactly the modules of a function. The baseline is boto3 as its
authors publish it, in the same versions. Each process runs twice: with the emulator's plain HTTP, and with TLS and the
names of AWS's endpoints. The figure is the processor time of the process, which does not contain that of the emulator.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from evercert.issuance.settings import LOCAL_ISSUERS
from tests.bench.figures import Figure, Part, megabytes, size_of, table
from tests.bench.start_layers import layer, trust, untrimmed
from tests.bench.tls_endpoints import REDIRECTED, TLSEndpoints
from tests.doubles.authority.server import event_of
from tests.doubles.fakes import spec
from tests.doubles.infisical import Planted
from tests.doubles.raw_server import bundle
from tests.doubles.world import STACK, STACK_ID, World, load_template
from tests.tools.local_infisical import definition
from tests.tools.local_stack import REGION, ROOT, Emulator

TIMES = 15
CHECKER, ISSUER, AUTHORITY = 0.97, 1.42, 1.65
LARGEST = 40 * 1024 * 1024
BASELINE = """
import boto3
key = {":shard": {"S": "00"}}
boto3.client("dynamodb").query(
    TableName=os.environ["CERTIFICATES_TABLE"], IndexName="due", KeyConditionExpression="due_shard = :shard",
    ExpressionAttributeValues=key,
)
"""
FUNCTION = """
import importlib.util
spec = importlib.util.spec_from_file_location("app", {path!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)

class Context:
    def get_remaining_time_in_millis(self):
        return 60_000

answer = module.handler({event!r}, Context())
if any(answer.get(name, value) != value for name, value in {expected!r}.items()):
    raise SystemExit(f"unexpected answer: {{answer}}")
"""
CREDENTIAL = "evercert/credentials/cold-start"
FIRST = "issuer, a first certificate from Infisical"
MISSING = {"Records": [{"messageId": "1", "body": '{"certificate": "missing"}'}]}
UNKNOWN = {"Authorization": f"Bearer eca_{'A' * 43}"}  # the authority looks it up and does not find it
FORBIDDEN = 403
BOTO3 = "boto3 and one client"
PLAIN, TLS = "", " with TLS"


class Start(NamedTuple):
    """Elapsed and processor time of a process in seconds, and the most memory that it used, in bytes."""

    elapsed: float
    processor: float
    memory: float


Times = dict[str, list[Start]]


def measure(world: World, running: Emulator) -> Part:
    world.fresh()
    part = Part()
    with tempfile.TemporaryDirectory(prefix="evercert-bench-") as folder:
        ours = [layer(Path(folder), what, "host") for what in ("dependencies", "evercert")]
        theirs = [untrimmed(Path(folder))]
        with Planted() as server, TLSEndpoints(running.url, REGION) as endpoints:
            for path in (*ours, *theirs):
                trust(path, bundle())
            world.operator.secretsmanager.create_secret(Name=CREDENTIAL, SecretString=_credential(server))
            times = Starts(world, server, running, endpoints, ours, theirs).times()
        shutil.rmtree(theirs[0])
        shipped = layer(Path(folder) / "shipped", "dependencies", None)
        part.figures += _ratios(times)
        part.figures += _sizes(ours[0], shipped)
    part.lines += table(
        ("fresh process", "processor time", "elapsed, with the emulator's answers", "memory, at most"),
        [
            (
                name,
                f"{1000 * median(start.processor for start in seen):.0f} ms",
                f"{1000 * median(start.elapsed for start in seen):.0f} ms",
                megabytes(max(start.memory for start in seen)),
            )
            for name, seen in times.items()
        ],
    )
    return part


def _ratios(times: Times) -> list[Figure]:
    figures = []
    for how in (PLAIN, TLS):
        for name, limit in (("checker", CHECKER), ("issuer", ISSUER), (FIRST, None), ("authority", AUTHORITY)):
            # Candidates take turns, so that other work on the machine affects all of them alike.
            rounds = zip(times[name + how], times[BOTO3 + how], strict=True)
            ratio = median(ours.processor / theirs.processor for ours, theirs in rounds)
            what = f"cold start of the {name} ÷ that of boto3 with one client and one call{how and ', both'}{how}"
            target = ("none", None) if limit is None else (f"≤ {limit}", ratio <= limit)
            figures.append(Figure(what, f"{ratio:.2f}", *target))
    return figures


def _sizes(host: Path, shipped: Path) -> list[Figure]:
    compiled = size_of(shipped, "*.pyc")
    size = size_of(shipped) if compiled else size_of(shipped) + size_of(host, "*.pyc")
    how = "" if compiled else ", its bytecode taken from the layer for the interpreter at hand"
    return [
        Figure(
            f"dependency layer for python3.13/arm64, unpacked, with bytecode{how}",
            megabytes(size),
            "≤ 40 MiB",
            size <= LARGEST,
        ),
        Figure("the same without bytecode", megabytes(size_of(shipped) - compiled), "≤ 40 MiB", size <= LARGEST),
    ]


@dataclass
class Starts:
    """Fresh processes of all kinds, in turn; each calls AWS."""

    world: World
    server: Planted
    running: Emulator
    endpoints: TLSEndpoints
    ours: list[Path]
    theirs: list[Path]

    def times(self) -> Times:
        """Return what each kind of process used, in all rounds."""
        codes = {
            BOTO3: BASELINE,
            "checker": _function("checker", {}),
            "issuer": _function("issuer", MISSING),
            FIRST: "",
            "authority": _function("authority", event_of("GET", "/api/v1/projects/slug/x", UNKNOWN, b"")),
        }
        times: Times = {name + how: [] for how in (PLAIN, TLS) for name in codes}
        for turn in range(TIMES + 1):
            for how in (PLAIN, TLS):
                codes[FIRST] = _function(
                    "issuer", _wanted(self.world, self.server, f"cold-{turn}{how.replace(' ', '-')}".lower())
                )
                for name, code in codes.items():
                    seen = self._start(name, code, how)
                    if turn:  # the first round reads from the disk
                        times[name + how].append(seen)
        if len(self.server.issued) != (wanted := 2 * (TIMES + 1)):
            raise RuntimeError(f"{wanted} certificates expected, {len(self.server.issued)} issued")
        return times

    def _start(self, name: str, code: str, how: str) -> Start:
        environment = _environment(self.world, self.running, self.theirs if name == BOTO3 else self.ours)
        if how == PLAIN:
            return _run("", code, environment)
        before = self.endpoints.connections
        del environment["AWS_ENDPOINT_URL"]
        seen = _run(REDIRECTED.format(port=self.endpoints.port), code, environment)
        if self.endpoints.connections == before:
            raise RuntimeError(f"{name}: no call of AWS")
        return seen


def _wanted(world: World, server: Planted, name: str) -> dict[str, Any]:
    """Return a message for a new certificate of a new issuer."""
    auth = {"type": "universal-auth", "credentials": {"aws-secret": CREDENTIAL}}
    world.want(spec(name, destinations=[{"type": "secrets-manager"}]), definition(server, auth))
    return {"Records": [{"messageId": "1", "body": json.dumps({"certificate": name})}]}


def _credential(server: Planted) -> str:
    value = {"address": server.address, "client-id": server.client_id, "client-secret": server.client_secret}
    return json.dumps(value)


def _function(name: str, event: object) -> str:
    path = str(ROOT / "functions" / name / "app.py")
    return FUNCTION.format(path=path, event=event, expected={"statusCode": FORBIDDEN, "batchItemFailures": []})


def _run(first: str, code: str, environment: dict[str, str]) -> Start:
    timed = f"{first}import os, time\nbegan = time.perf_counter(), time.process_time()\n{code}\n"
    timed += "used = time.perf_counter() - began[0], time.process_time() - began[1]\n"
    # Not by getrusage: Linux counts the memory of the parent process too.
    timed += "status = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
    timed += "print('\\n%f %f %d' % (*used, 1024 * int(status['VmHWM'].split()[0])))"
    command = [sys.executable, "-c", timed]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"a fresh process failed:\n{done.stderr[-2000:]}")
    return Start(*map(float, done.stdout.splitlines()[-1].split()))


def _environment(world: World, running: Emulator, layers: list[Path]) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": os.pathsep.join(str(layer / "python") for layer in layers),
        **running.environment,
        **_constants("IssuerFunction"),
        **_constants("AuthorityFunction"),
        "CERTIFICATES_TABLE": world.table,
        "ISSUERS_TABLE": world.issuers_table,
        "QUEUE_URL": world.queue_url,
        "TOPIC_ARN": world.topic,
        "SEAL_KEY": world._seal_key,
        "STACK_NAME": STACK,
        "STACK_ID": STACK_ID,
        "AUTHORITY_CONFIGURATION": world.authority_table("AuthorityConfigurationTable"),
        "AUTHORITY_TABLE": world.authority_table("AuthorityTable"),
        "AUDIT_TABLE": world.authority_table("AuthorityAuditTable"),
        "AUTHORITY_BUCKET": "published",
        "AUTHORITY_SEAL_KEY": world._seal_key,
        "AUTHORITY_ADDRESS": "https://ca.example.com",
        "SIGNER_FUNCTION": "signer",
        "VALIDATION_QUEUE": world.queue_url,
        "STS_REGIONS": "eu-central-1",
        "LEASE_SECONDS": "90",
        "REDISPATCH_SECONDS": "600",
        LOCAL_ISSUERS: "1",
    }


def _constants(function: str) -> dict[str, str]:
    """Return the environment of a function that does not depend on the stack."""
    variables = load_template()["Resources"][function]["Properties"]["Environment"]["Variables"]
    return {name: value for name, value in variables.items() if isinstance(value, str)}
