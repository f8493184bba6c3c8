"""Local AWS for the demo and the tests: an emulator that enforces IAM, and the stack, deployed with SAM.

`python -m tests.tools.local_stack` runs a local stack until Ctrl-C. The package does not depend on this module.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.tools.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / ".venv" / "local-stack"
LAUNCHER = ROOT / "tests" / "tools" / "emulator.py"
REGION = "eu-central-1"
ACCOUNT = "000000000000"
STACK = "evercert"
OWNER = f"{ACCOUNT}/{REGION}/{STACK}"  # the tag evercert:stack of secrets and certificates
# The emulator does not check permissions of its root user, so tests of permissions assume a role first.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
READY_SECONDS = 30


class NotRunning(RuntimeError):
    """Failure to start or deploy the local stack."""


@dataclass(frozen=True)
class Emulator:
    """Running emulator with its address and its temporary folder."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]
    hosts: int = 0  # port on loopback at which the authority validates hosts of ACME clients, whatever their names
    resolver: int = 0  # port of the DNS server that it asks

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables for AWS clients, the SAM CLI and evercert."""
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": self.url, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}

    def log(self) -> str:
        """Return the emulator's output."""
        return (self.folder / "emulator.log").read_text(errors="replace")


def tool(name: str) -> Path:
    """Return the path of a program in the local stack's virtual environment."""
    path = ENVIRONMENT / "bin" / name
    if not path.exists():
        raise NotRunning(f"{path} is missing; run: make setup")
    return path


@contextmanager
def emulator(extra: Mapping[str, str] | None = None) -> Iterator[Emulator]:
    """Start an emulator on a free loopback port, with a clean environment; stop it with all its child processes."""
    port, hosts, resolver = free_port(), free_port(), free_port()
    environment = {
        "AUTH": "true",
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "MINISTACK_REGION": REGION,
        "EVERCERT_LOCAL_ISSUERS": "1",  # allows loopback issuers; template.yaml has no such parameter
        "EVERCERT_LOCAL_VALIDATION": f"127.0.0.1:{hosts}",
        "EVERCERT_LOCAL_RESOLVER": f"127.0.0.1:{resolver}",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        **(extra or {}),
    }
    # -P keeps the folder of the tests out of sys.path
    with serve([tool("python"), "-P", LAUNCHER], port, "/_ministack/ready", environment) as running:
        yield replace(running, hosts=hosts, resolver=resolver)


@contextmanager
def serve(command: list[str | Path], port: int, ready: str, environment: Mapping[str, str]) -> Iterator[Emulator]:
    """Run a server on a loopback port until the block ends, in a clean environment and a temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="evercert-local-"))
    # Functions inherit this environment: no credentials, proxies or PYTHON* variables of the user.
    clean = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "TMPDIR": str(folder), "LANG": "C.UTF-8"}
    with (folder / "emulator.log").open("wb") as log:
        process = subprocess.Popen(
            command, env={**clean, **environment}, stdout=log, stderr=log, cwd=folder, start_new_session=True
        )
    running = Emulator(f"http://127.0.0.1:{port}", folder, process)
    try:
        _await_ready(running, ready)
        yield running
    finally:
        _stop(process)
        shutil.rmtree(folder, ignore_errors=True)


def build() -> None:
    """Run `sam build` for the running interpreter."""
    _sam("build", environment={"EVERCERT_TARGET": "host"})


def deploy(running: Emulator, **changed: str) -> dict[str, str]:
    """Run `sam deploy`; `changed` overrides parameters of samconfig.toml. Return the stack's outputs."""
    more = ["--parameter-overrides", *_parameters(changed)] if changed else []
    _sam("deploy", *more, environment=running.environment)
    return outputs(running)


def _parameters(changed: Mapping[str, str]) -> list[str]:
    """Return all parameters, because `--parameter-overrides` replaces those of the file."""
    configured = tomllib.loads((ROOT / "samconfig.toml").read_text())["local"]["deploy"]["parameters"][
        "parameter_overrides"
    ]
    both = {**dict(part.split("=", 1) for part in shlex.split(configured)), **changed}
    return [f'{name}="{value}"' for name, value in both.items()]


def outputs(running: Emulator) -> dict[str, str]:
    """Return the outputs of the deployed stack."""
    import boto3

    client = boto3.client("cloudformation", **client_arguments(running))
    stack = client.describe_stacks(StackName=STACK)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def client_arguments(running: Emulator) -> dict[str, str]:
    """Return the arguments of `boto3.client` for the emulator's root user."""
    return {
        "endpoint_url": running.url,
        "region_name": REGION,
        "aws_access_key_id": CREDENTIALS["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    }


def _sam(*arguments: str, environment: Mapping[str, str]) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_"))}
    path = f"{ENVIRONMENT / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [tool("sam"), *arguments, "--config-env", "local"],
        cwd=ROOT,
        env={**clean, "PATH": path, "SAM_CLI_TELEMETRY": "0", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    if done.returncode != 0:
        raise NotRunning(f"sam {arguments[0]} failed:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")


def _await_ready(running: Emulator, path: str) -> None:
    give_up = time.monotonic() + READY_SECONDS
    while time.monotonic() < give_up:
        if running.process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{running.url}{path}", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise NotRunning(f"the local AWS did not start:\n{running.log()[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop the process group, because function processes outlive the server."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            continue


def operator_command(running: Emulator) -> Callable[..., str]:
    """Return a function that runs `evercert` as an operator would and returns its standard output."""
    environment = {"PATH": "/usr/bin:/bin", **running.environment}

    def run(*arguments: str) -> str:
        command = [str(ROOT / ".venv" / "bin" / "evercert"), *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode != 0:
            raise NotRunning(f"evercert {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    return run


@contextmanager
def _authority(running: Emulator, found: Mapping[str, str]) -> Iterator[str]:
    """Set up the stack's own authority; yield the instructions to use it."""
    from tests.tools.local_authority import serve_authority, set_up
    from tests.tools.local_infisical import trust_environment, with_address

    with serve_authority(running, found) as authority:
        identity = set_up(operator_command(running), found["IssuerRole"])
        document = with_address(ROOT / "examples" / "agent.yaml", authority.address, running.folder)
        values = {**trust_environment(authority.ca_bundle, running.folder), "INFISICAL_MACHINE_IDENTITY_ID": identity}
        exports = "".join(f"  export {name}={value}\n" for name, value in values.items())
        title = f"The stack's authority runs at {authority.address}. To request a certificate from it:"
        yield f"{title}\n\n{exports}  .venv/bin/evercert apply {document} --wait"


def main() -> None:
    """Run a local stack until SIGINT or SIGTERM."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a script ignores SIGINT otherwise
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        with emulator() as running:
            print("building and deploying (about 20 seconds) …", flush=True)
            build()
            from tests.tools.local_authority import choose_address

            found = deploy(running, AuthorityAddress=choose_address())
            print(json.dumps(found, indent=2))
            print("\nThe local stack is running. In another terminal, in this folder, run:\n")
            for name, value in running.environment.items():
                print(f"  export {name}={value}")
            print("  .venv/bin/evercert apply examples/web.yaml --wait\n", flush=True)
            with _authority(running, found) as instructions:
                print(f"{instructions}\n\nPress Ctrl-C to stop the local stack.", flush=True)
                signal.pause()
    except NotRunning as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("\nstopped")


if __name__ == "__main__":
    main()
