"""Build a layer for the target from wheels, without Docker and without the target's interpreter.

EVERCERT_TARGET says what to build for: `python3.13-arm64` (the default, as in template.yaml), `python3.12-x86_64`, or
`host` for the interpreter at hand (the local stack runs functions with it).
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import service_models

HERE = Path(__file__).resolve().parent
DEFAULT = "python3.13-arm64"
OLDEST_MINOR = 12  # the runtime python3.11 has glibc 2.26, for which the packages have no wheels
WHEELS = {"arm64": "aarch64", "x86_64": "x86_64"}
LINUX = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")
LARGEST = 40 * 1024 * 1024  # bytes unpacked, bytecode included; a larger layer slows cold starts
# The functions load logging and metrics of Powertools, with their dependencies.
UTILITIES = {"jmespath_utils"}
EVENT_HANDLER = "aws_lambda_powertools/event_handler"
# Packages that no function imports.
ELSEWHERE = ("cli", "console", "host")
UNREAD = ("bin", "boto3", "s3transfer", EVENT_HANDLER, "certifi/tests")


class Target(NamedTuple):
    """Runtime of the layer; an `architecture` of None means the running interpreter."""

    version: str
    architecture: str | None


def target(text: str) -> Target:
    """Parse EVERCERT_TARGET; exit with one line if it is invalid."""
    if text == "host":
        return Target(f"{sys.version_info.major}.{sys.version_info.minor}", None)
    match = re.fullmatch(r"python(3\.\d+)-(arm64|x86_64)", text)
    if match is None:
        sys.exit(f"EVERCERT_TARGET={text}: write host, or for example {DEFAULT}")
    if int(match[1].partition(".")[2]) < OLDEST_MINOR:
        sys.exit(f"EVERCERT_TARGET={text}: needs python3.{OLDEST_MINOR} or newer; older runtimes have an old C library")
    return Target(match[1], match[2])


def install(destination: Path, wanted: Target) -> None:
    """Install the third-party packages of the lock file, verified by hash."""
    if importlib.util.find_spec("pip") is None:
        sys.exit(f"{sys.executable} has no pip: select a Python with pip, such as PYTHON=/usr/bin/python3 sam build")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-compile", "--require-hashes", "--only-binary", ":all:", "--target", str(destination)]
    if wanted.architecture is not None:
        command += ["--python-version", wanted.version, "--implementation", "cp"]
        for system in LINUX:
            command += ["--platform", f"{system}_{WHEELS[wanted.architecture]}"]
    subprocess.run([*command, "-r", str(HERE / "dependencies" / "requirements.txt")], check=True)
    trim(destination)


def trim(destination: Path) -> None:
    """Remove what no function reads: service models, parts of Powertools, types, examples."""
    utilities = destination / "aws_lambda_powertools/utilities"
    unread = [destination / path for path in UNREAD]
    unread += [path for path in utilities.iterdir() if path.is_dir() and path.name not in UTILITIES]
    for path in unread:
        shutil.rmtree(path, ignore_errors=True)
    for path in destination.rglob("*.pyi"):
        path.unlink()
    service_models.trim(destination / "botocore" / "data")


def copy(destination: Path) -> None:
    """Copy the package without what runs elsewhere: the command line, its console, and the agent for hosts."""
    ignored = shutil.ignore_patterns("__pycache__", *ELSEWHERE)
    shutil.copytree(HERE / "evercert" / "evercert", destination / "evercert", ignore=ignored)


def write_target(destination: Path, wanted: Target) -> None:
    """Write the target for `evercert/layer_target.py`, which compares it with the runtime of the function."""
    machine = wanted.architecture or platform.machine()
    architecture = {"aarch64": "arm64"}.get(machine, machine)
    (destination / "evercert" / "target").write_text(f"python{wanted.version}-{architecture}")


def compile_bytecode(destination: Path, wanted: Target) -> None:
    """Compile bytecode that is not checked at run time, because zip tools change modification times."""
    interpreter = sys.executable if wanted.architecture is None else find_interpreter(wanted.version)
    if interpreter is None:
        print(
            f"evercert: no Python {wanted.version} here, so the layer carries no bytecode: cold starts take about "
            f"2.7 times as long. Install Python {wanted.version} and build again to fix that."
        )
        return
    command = [interpreter, "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"]
    subprocess.run([*command, "-s", str(destination), "-p", "/opt/python", str(destination)], check=True)


def find_interpreter(version: str) -> str | None:
    """Return a working interpreter of that version, or None; a name on the PATH may be a placeholder."""
    candidates = [sys.executable, shutil.which(f"python{version}")]
    if uv := shutil.which("uv"):
        found = subprocess.run([uv, "python", "find", version], capture_output=True, text=True, check=False)
        candidates.append(found.stdout.strip())
    question = "import sys; print('%d.%d' % sys.version_info[:2])"
    for candidate in filter(None, candidates):
        try:
            answer = subprocess.run([candidate, "-c", question], capture_output=True, text=True, check=False)
        except OSError:
            continue
        if answer.returncode == 0 and answer.stdout.strip() == version:
            return candidate
    return None


def size_of(destination: Path) -> int:
    """Return the unpacked size in bytes."""
    return sum(path.stat().st_size for path in destination.rglob("*") if path.is_file())


def main() -> None:
    """Run `build.py dependencies|evercert ARTIFACTS_DIR`."""
    what, artifacts = sys.argv[1:]
    wanted = target(os.environ.get("EVERCERT_TARGET", DEFAULT))
    destination = Path(artifacts) / "python"
    destination.mkdir(parents=True, exist_ok=True)
    if what == "dependencies":
        install(destination, wanted)
    else:
        copy(destination)
        write_target(destination, wanted)
    compile_bytecode(destination, wanted)
    if (size := size_of(destination)) > LARGEST:
        print(f"evercert: {what} layer has {size} bytes: at most {LARGEST} are recommended")
    machine = wanted.architecture or platform.machine()
    print(f"evercert: {what} layer built for Python {wanted.version} on {machine}")


if __name__ == "__main__":
    main()
