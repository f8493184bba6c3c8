"""The script for hosts installs a complete pair or nothing."""

from __future__ import annotations

import random
import shutil
import signal
import stat
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from evercert.destinations.secret_value import value
from tests.tools.host import SCRIPT, Host, bundle

pytestmark = [pytest.mark.peer("flock"), pytest.mark.peer("timeout"), pytest.mark.timeout(120)]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def count(host: Host, name: str) -> str:
    """Return a command that adds a line to a file."""
    return f"echo >>{host.folder}/{name}"


def counted(host: Host, name: str) -> int:
    file = host.folder / name
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_install_writes_files_that_only_their_owner_reads(host: Host) -> None:
    serial = host.offer()
    done = host.install()
    assert done.returncode == 0, done.stderr
    assert host.serial() == serial
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in host.directory.rglob("*") if not path.is_symlink()}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}
    assert not list(host.directory.rglob("answer"))


def test_install_reloads_once_for_each_version(host: Host) -> None:
    host.offer()
    for _ in range(3):
        assert host.install(reload=count(host, "reloads")).returncode == 0
    assert counted(host, "reloads") == 1
    serial = host.offer()
    assert host.install(reload=count(host, "reloads")).returncode == 0
    assert (counted(host, "reloads"), host.serial()) == (2, serial)


def test_install_replaces_a_removed_version(host: Host) -> None:
    serial = host.offer()
    host.install()
    shutil.rmtree((host.directory / "current").resolve())
    assert host.install().returncode == 0
    assert host.serial() == serial


def test_install_keeps_the_current_and_the_previous_version(host: Host) -> None:
    for _ in range(4):
        host.offer()
        assert host.install().returncode == 0
    assert len(list((host.directory / "versions").iterdir())) == 2


GOOD = value(bundle())
BROKEN: dict[str, Any] = {
    "empty": "",
    "truncated": '{"fullchain": "-----BEGIN CERT',
    "no-object": "[]",
    "another-key": {**GOOD, "private_key": value(bundle())["private_key"]},
    "no-key": {name: text for name, text in GOOD.items() if name != "private_key"},
    "empty-key": {**GOOD, "private_key": ""},
    "half-a-certificate": {**GOOD, "fullchain": GOOD["fullchain"][:200] + "\n"},
    "number": {**GOOD, "fullchain": 7},
    "not-ascii": {**GOOD, "fullchain": "é\n"},
}


@pytest.mark.parametrize("secret", BROKEN.values(), ids=BROKEN)
def test_install_keeps_the_files_if_the_secret_is_broken(host: Host, secret: Any) -> None:
    serial = host.offer()
    assert host.install().returncode == 0
    host.offer(secret)
    done = host.install(check=count(host, "checks"), reload=count(host, "reloads"))
    assert done.returncode == 1
    assert "invalid secret: " in done.stderr and "the installed certificate is unchanged" in done.stderr
    assert "PRIVATE KEY" not in done.stderr + done.stdout
    assert (host.serial(), counted(host, "checks"), counted(host, "reloads")) == (serial, 0, 0)
    assert len(list((host.directory / "versions").iterdir())) == 1


def test_install_keeps_the_files_if_aws_fails(host: Host) -> None:
    serial = host.offer()
    host.install()
    host.program("aws", "#!/bin/sh\necho 'An error occurred (AccessDenied)' >&2\nexit 254\n")
    done = host.install()
    assert (done.returncode, host.serial()) == (1, serial)
    assert "AccessDenied" in done.stderr and "cannot read the secret evercert/certificates/web" in done.stderr


def test_install_refuses_a_version_that_is_a_path(host: Host) -> None:
    host.offer(version="../../../../" + "x" * 32)
    assert host.install().returncode == 1
    assert not (host.directory / "current").exists()


def test_install_restores_the_files_if_the_check_fails(host: Host) -> None:
    serial = host.offer()
    host.install()
    host.offer()
    done = host.install(check="false", reload=count(host, "reloads"))
    assert (done.returncode, host.serial(), counted(host, "reloads")) == (1, serial, 0)
    assert "the previous certificate is in place again" in done.stderr


def test_install_reloads_again_if_the_reload_failed(host: Host) -> None:
    serial = host.offer()
    assert host.install(reload="false").returncode == 1
    assert host.install(reload=count(host, "reloads")).returncode == 0
    assert (host.serial(), counted(host, "reloads")) == (serial, 1)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_install_killed_between_two_files_changes_nothing(host: Host, number: int) -> None:
    serial = host.offer()
    host.install()
    host.offer()
    assert host.install(**host.die_at_fsync(number)).returncode == -signal.SIGKILL
    assert host.serial() == serial
    renewed = host.offer()
    assert host.install().returncode == 0
    assert host.serial() == renewed
    assert not list((host.directory / "versions").glob(".new.*"))


def test_install_killed_at_any_moment_leaves_a_pair(host: Host) -> None:
    chance = random.Random(4)
    serials = {host.offer()}
    assert host.install().returncode == 0
    for _ in range(30):
        serials.add(host.offer())
        command = [SCRIPT, "--secret", "evercert/certificates/web", "--service", "nginx", "--directory", host.directory]
        with subprocess.Popen(
            ["timeout", "--signal", "KILL", str(chance.uniform(0.01, 0.3)), *command, "--check", "true", "--reload", "true"],
            env={"PATH": f"{host.programs}:/usr/sbin:/usr/bin:/sbin:/bin"},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        ):  # fmt: skip
            pass
        assert host.serial() in serials
    time.sleep(0.5)  # children that the signal did not reach
    serial = host.offer()
    assert host.install(reload=count(host, "reloads")).returncode == 0
    assert (host.serial(), counted(host, "reloads")) == (serial, 1)


def test_install_runs_one_at_a_time(host: Host) -> None:
    """Concurrent runs reload once: the later ones find the version installed."""
    host.offer()
    host.program("aws", f"#!/bin/sh\nsleep 0.5\ncat {host.folder}/answer\n")
    command = [SCRIPT, "--secret", "x/web", "--service", "nginx", "--directory", host.directory, "--check", "true"]
    environment = {"PATH": f"{host.programs}:/usr/sbin:/usr/bin:/sbin:/bin"}
    runs = [subprocess.Popen([*command, "--reload", count(host, "reloads")], env=environment) for _ in range(3)]
    assert [run.wait(30) for run in runs] == [0, 0, 0]
    assert counted(host, "reloads") == 1


@pytest.mark.parametrize("service", ["nginx", "haproxy"])
def test_install_checks_and_reloads_an_active_service(host: Host, service: str) -> None:
    host.offer()
    for name in (service, "systemctl"):
        host.program(name, f'#!/bin/sh\necho "{name} $*" >>{host.folder}/calls\n')
    assert host.install("--check", "", "--reload", "", service=service).returncode == 0
    check = {"nginx": "nginx -t -q", "haproxy": "haproxy -c -q -f /etc/haproxy/haproxy.cfg"}[service]
    assert (host.folder / "calls").read_text().splitlines() == [
        check, f"systemctl is-active --quiet {service}", f"systemctl reload {service}",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [[], ["--secret", "web"], ["--secret", "web", "--service", "apache"], ["--secret"], ["--unknown", "x"]],
    ids=["none", "no-service", "unknown-service", "no-value", "unknown-option"],
)
def test_install_prints_its_usage(arguments: list[str]) -> None:
    done = subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert "usage: " in done.stderr


def test_install_names_a_missing_program(host: Host) -> None:
    (host.programs / "aws").unlink()
    for name in ("dirname", "mkdir"):
        (host.programs / name).symlink_to(f"/usr/bin/{name}")
    command = [SCRIPT, "--secret", f"x/{uuid.uuid4()}", "--service", "nginx"]
    done = subprocess.run(
        ["/bin/sh", *command], env={"PATH": str(host.programs)}, capture_output=True, text=True, timeout=20, check=False
    )
    assert (done.returncode, "aws is missing" in done.stderr) == (1, True)


@pytest.mark.peer("shellcheck")
def test_install_script_is_clean() -> None:
    done = subprocess.run(["shellcheck", SCRIPT], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
