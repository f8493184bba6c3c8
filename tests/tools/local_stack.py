"""The local AWS of the demo and of the tests: an emulator that enforces IAM, and the stack deployed on it by SAM.

Nothing in the package knows of it. `python -m tests.tools.local_stack` keeps one running.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / ".venv" / "local-stack"
LAUNCHER = ROOT / "tests" / "tools" / "emulator.py"
REGION = "eu-central-1"
ACCOUNT = "000000000000"
STACK = "evercert"
# Root of the emulator: never verified by it, so tests of permissions assume a role first.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
READY_SECONDS = 30


class NotRunning(RuntimeError):
    """The local stack cannot be had; the message says what to run."""


@dataclass(frozen=True)
class Emulator:
    """A running emulator, its address, and a folder of its own that goes with it."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def environment(self) -> dict[str, str]:
        """What any AWS client, the SAM CLI and evercert need to talk to it."""
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": self.url, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}

    def log(self) -> str:
        """Its own output, for when something goes wrong."""
        return (self.folder / "emulator.log").read_text(errors="replace")


def tool(name: str) -> Path:
    """A program of the local stack's own environment."""
    path = ENVIRONMENT / "bin" / name
    if not path.exists():
        raise NotRunning(f"{path} is missing; run: make setup")
    return path


@contextmanager
def emulator(extra: Mapping[str, str] | None = None) -> Iterator[Emulator]:
    """Starts one on a free port of the loopback, with an environment of its own; stopped with all its children."""
    folder = Path(tempfile.mkdtemp(prefix="evercert-local-"))
    port = free_port()
    # Functions inherit it, so it holds nothing of the user's: no credentials, no proxies, no PYTHON*.
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LANG": "C.UTF-8",
        "AUTH": "true",
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "MINISTACK_REGION": REGION,
        "EVERCERT_LOCAL_ISSUERS": "1",  # functions may ask servers of this machine; template.yaml cannot say so
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        **(extra or {}),
    }
    with (folder / "emulator.log").open("wb") as log:
        process = subprocess.Popen(
            # -P: the folder of the tests is not on the emulator's path
            [tool("python"), "-P", LAUNCHER],
            env=environment,
            stdout=log,
            stderr=log,
            cwd=folder,
            start_new_session=True,
        )
    running = Emulator(f"http://127.0.0.1:{port}", folder, process)
    try:
        _await_ready(running)
        yield running
    finally:
        _stop(process)
        shutil.rmtree(folder, ignore_errors=True)


def build() -> None:
    """`sam build` for the interpreter at hand."""
    _sam("build", environment={"EVERCERT_TARGET": "host"})


def deploy(running: Emulator, **changed: str) -> dict[str, str]:
    """`sam deploy`, with the parameters of samconfig.toml but for those that are given; answers the stack's outputs."""
    more = ["--parameter-overrides", *_parameters(changed)] if changed else []
    _sam("deploy", *more, environment=running.environment)
    return outputs(running)


def _parameters(changed: Mapping[str, str]) -> list[str]:
    """All of them: those of the command line take the place of those in the file."""
    said = tomllib.loads((ROOT / "samconfig.toml").read_text())["local"]["deploy"]["parameters"]["parameter_overrides"]
    both = {**dict(part.split("=", 1) for part in shlex.split(said)), **changed}
    return [f'{name}="{value}"' for name, value in both.items()]


def outputs(running: Emulator) -> dict[str, str]:
    """The outputs of the deployed stack."""
    import boto3

    client = boto3.client("cloudformation", **client_arguments(running))
    stack = client.describe_stacks(StackName=STACK)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def client_arguments(running: Emulator) -> dict[str, str]:
    """For `boto3.client`, as root of the emulator."""
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


def _await_ready(running: Emulator) -> None:
    give_up = time.monotonic() + READY_SECONDS
    while time.monotonic() < give_up:
        if running.process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{running.url}/_ministack/ready", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise NotRunning(f"the local AWS did not start:\n{running.log()[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """The whole process group: function processes outlive the server otherwise."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            continue


def free_port() -> int:
    """That nobody listened at just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _evercert(running: Emulator) -> Callable[..., str]:
    """The command, as an operator runs it; answers what it says on standard output."""
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
    """The stack's own, set up; answers what to do with it."""
    from tests.tools.local_authority import set_up, within_reach
    from tests.tools.local_infisical import addressed, trusted

    with within_reach(running, found) as authority:
        identity = set_up(_evercert(running), found["IssuerRole"])
        document = addressed(ROOT / "examples" / "agent.yaml", authority.address, running.folder)
        values = {**trusted(authority.ca_bundle, running.folder), "INFISICAL_MACHINE_IDENTITY_ID": identity}
        said = "".join(f"  export {name}={value}\n" for name, value in values.items())
        where = f"The stack's authority is up at {authority.address}, and lets the issuer's role in:"
        yield f"{where}\n\n{said}  .venv/bin/evercert apply {document} --wait"


def main() -> None:
    """Keeps a local stack running until it is interrupted or terminated."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background of a script it would be ignored
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        with emulator() as running:
            print("building and deploying (about 20 seconds) …", flush=True)
            build()
            from tests.tools.local_authority import chosen_address

            found = deploy(running, AuthorityAddress=chosen_address())
            print(json.dumps(found, indent=2))
            print("\nThe local stack is up. In another terminal, in this folder:\n")
            for name, value in running.environment.items():
                print(f"  export {name}={value}")
            print("  .venv/bin/evercert apply examples/web.yaml --wait\n", flush=True)
            with _authority(running, found) as said:
                print(f"{said}\n\nCtrl-C stops it.", flush=True)
                signal.pause()
    except NotRunning as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("\nstopped")


if __name__ == "__main__":
    main()
