"""A certificate on a host: what is installed, which hooks run, what is reported, and how often."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from evercert.contracts.certificate_status import DeliveredSecret
from evercert.errors import Misconfigured, Unavailable
from evercert.host.certificate import DELAYS
from evercert.host.hooks import Hook
from tests.doubles.host import LOCATION, FakeHost, secret_value, serial_of


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path)


def test_first_certificate_is_issuance_and_next_is_renewal(host: FakeHost) -> None:
    for revision in (1, 2, 3):
        host.stack.deliver(revision)
        host.follower.check()
        assert host.serial() == 1_000 + revision
    assert host.hooks.commands == ["on-issuance", "on-renewal", "on-renewal"]
    assert host.follower.healthy


def test_unchanged_certificate_costs_one_call_and_no_write(host: FakeHost) -> None:
    host.stack.deliver(1)
    host.follower.check()
    host.stack.calls.clear()
    before = _snapshot(host.folder.parent)
    for _ in range(3):
        assert host.follower.check() is None
    assert host.stack.calls == ["status web"] * 3
    assert _snapshot(host.folder.parent) == before


def test_restart_repeats_nothing(host: FakeHost) -> None:
    host.stack.deliver(1)
    host.follower.check()
    host.restart().check()
    assert host.hooks.commands == ["on-issuance"]
    assert host.stack.calls.count("secret version-1") == 1


def test_lost_state_repeats_no_hook(host: FakeHost) -> None:
    host.stack.deliver(1)
    host.follower.check()
    for file in (host.folder.parent / "state").iterdir():
        file.unlink()
    host.restart().check()
    assert host.hooks.commands == ["on-issuance"]
    assert host.follower.healthy


def test_hooks_get_the_documented_variables(host: FakeHost) -> None:
    host.stack.deliver(1)
    host.follower.check()
    ((_, variables),) = host.hooks.ran
    assert variables == {
        "CERT_NAME": "web",
        "CERT_COMMON_NAME": "www.example.com",
        "CERT_FILE_PATH": str(host.path("certificate")),
        "CERT_PRIVATE_KEY_FILE_PATH": str(host.path("private-key")),
        "CERT_CHAIN_FILE_PATH": str(host.path("chain")),
        "CERT_SERIAL_NUMBER": "03E9",
        "CERT_FINGERPRINT_SHA256": variables["CERT_FINGERPRINT_SHA256"],
        "CERT_NOT_AFTER": "2026-04-14T12:00:00.000Z",
        "CERT_REVISION": "1",
    }


def test_certificate_that_was_never_applied_names_the_command(host: FakeHost) -> None:
    for _ in range(3):
        host.follower.check()
    assert host.log.errors == [
        "the stack has no certificate web: from any machine, run: evercert apply agent.yaml; the installed files stay"
    ]
    assert host.hooks.commands == ["on-failure"]


def test_follower_checks_a_new_certificate_soon_and_not_always(host: FakeHost) -> None:
    host.stack.deliver(1)
    assert host.stack.status_ is not None
    host.stack.status_ = type(host.stack.status_)("uid", "pending", 0)
    pauses = [host.follower.check() for _ in range(40)]
    assert pauses.count(None) == 10
    assert host.log.errors == []


def test_failure_of_the_stack_is_reported_once_for_each_incident(host: FakeHost) -> None:
    host.stack.deliver(1)
    host.follower.check()
    host.stack.fail()
    for _ in range(3):
        host.follower.check()
    host.restart().check()
    assert host.hooks.commands == ["on-issuance", "on-failure"]
    message = "the stack cannot renew or deliver it (rejected): policy says no"
    assert host.hooks.ran[1][1]["ERROR_MESSAGE"] == message
    assert host.log.errors == [message]
    host.stack.deliver(2)
    host.follower.check()
    assert host.log.lines[-1] == f"solved: {message}"
    host.stack.fail()
    host.follower.check()
    assert host.hooks.commands == ["on-issuance", "on-failure", "on-renewal", "on-failure"]


def test_failure_of_another_destination_is_not_reported(host: FakeHost) -> None:
    host.stack.deliver(1)
    host.stack.fail()
    assert host.stack.status_ is not None
    host.stack.status_ = type(host.stack.status_)(**{**vars(host.stack.status_), "state": "undelivered"})
    host.follower.check()
    assert host.hooks.commands == ["on-issuance"]


def test_outage_is_logged_at_once_and_reported_after_an_hour(host: FakeHost) -> None:
    host.stack.deliver(1)
    host.follower.check()
    host.stack.error = Unavailable("cannot read the state of certificate web: no response")
    for _ in range(24 * 12):
        host.now += timedelta(minutes=5)
        host.follower.check()
    assert len(host.log.errors) == 1
    assert host.hooks.commands == ["on-issuance", "on-failure"]
    assert host.serial() == 1_001
    host.stack.error = None
    host.follower.check()
    assert host.follower.healthy


def test_revoked_role_is_reported_at_once(host: FakeHost) -> None:
    host.stack.deliver(1)
    host.follower.check()
    host.stack.error = Misconfigured("cannot read the state of certificate web: AWS denies it")
    host.follower.check()
    assert host.hooks.commands == ["on-issuance", "on-failure"]
    assert host.serial() == 1_001


def test_expiry_is_reported_once(host: FakeHost) -> None:
    host.stack.deliver(1)
    host.follower.check()
    host.now += timedelta(days=90)
    for _ in range(3):
        host.follower.check()
    assert host.hooks.commands == ["on-issuance", "on-failure"]
    assert host.log.errors == ["the installed certificate expired at 2026-04-14T12:00:00.000Z"]
    assert not host.follower.healthy


def test_expired_certificate_never_replaces_a_valid_one(host: FakeHost) -> None:
    host.stack.deliver(1)
    host.follower.check()
    host.now += timedelta(days=3)
    host.stack.deliver(2, lasts=timedelta(days=2))
    host.follower.check()
    assert host.serial() == 1_001
    assert "expired at" in host.log.errors[0]


@pytest.mark.parametrize("value", ["", "{}", "[]", '{"certificate": "x"}', "-----BEGIN CERTIFICATE-----"])
def test_broken_secret_changes_nothing(host: FakeHost, value: str) -> None:
    host.stack.deliver(1)
    host.follower.check()
    host.stack.deliver(2, value=value)
    host.follower.check()
    assert host.serial() == 1_001
    assert len(host.log.errors) == 1


def test_foreign_key_changes_nothing(host: FakeHost) -> None:
    host.stack.deliver(1)
    host.follower.check()
    mixed = json.loads(secret_value(2)) | {"private_key": json.loads(secret_value(3))["private_key"]}
    host.stack.deliver(2, value=json.dumps(mixed))
    host.follower.check()
    assert host.serial() == 1_001
    assert "private key of another certificate" in host.log.errors[0]


def test_failed_hook_is_tried_again_with_growing_delays(host: FakeHost) -> None:
    host.stack.deliver(1)
    host.hooks.problems = ["failed with exit code 1", None, "failed with exit code 1", None]
    host.follower.check()
    assert host.hooks.commands == ["on-issuance", "on-failure"]
    host.follower.check()
    assert len(host.hooks.ran) == 2
    host.now += DELAYS[0]
    host.follower.check()
    host.now += DELAYS[1]
    host.follower.check()
    assert host.hooks.commands == ["on-issuance", "on-failure", "on-issuance", "on-issuance"]
    assert host.follower.healthy


def test_failed_reload_rolls_the_files_back(host: FakeHost) -> None:
    host.commands["on-renewal"] = Hook("on-renewal", rollback=True)
    host.restart()
    host.stack.deliver(1)
    host.follower.check()
    host.stack.deliver(2)
    host.hooks.problems = ["failed with exit code 1"]
    host.follower.check()
    assert host.serial() == 1_001
    assert host.hooks.commands == ["on-issuance", "on-renewal", "on-failure"]
    assert "the files of revision 1 are back" in host.hooks.ran[2][1]["ERROR_MESSAGE"]
    host.restart().check()
    assert host.serial() == 1_001
    host.now += DELAYS[0]
    host.follower.check()
    assert host.serial() == 1_002
    assert host.hooks.commands[3:] == ["on-renewal"]
    assert host.follower.healthy


def test_expired_previous_certificate_does_not_come_back(host: FakeHost) -> None:
    host.commands["on-renewal"] = Hook("on-renewal", rollback=True)
    host.restart()
    host.stack.deliver(1, lasts=timedelta(days=2))
    host.follower.check()
    host.now += timedelta(days=2)
    host.stack.deliver(2)
    host.hooks.problems = ["failed with exit code 1"]
    host.follower.check()
    assert host.serial() == 1_002
    assert "on-renewal failed with exit code 1; next try" in host.log.errors[0]


def test_clock_that_steps_back_delays_no_hook(host: FakeHost) -> None:
    host.stack.deliver(1)
    host.hooks.problems = ["failed with exit code 1"]
    host.follower.check()
    host.now -= timedelta(days=365)
    host.follower.check()
    assert host.hooks.commands.count("on-issuance") == 2


def test_existing_files_count_as_a_renewal(host: FakeHost) -> None:
    host.folder.mkdir()
    host.path("certificate").write_text("old")
    host.stack.deliver(1)
    host.follower.check()
    assert host.hooks.commands == ["on-renewal"]


def test_removed_file_comes_back(host: FakeHost) -> None:
    host.stack.deliver(1)
    host.follower.check()
    host.path("private-key").unlink()
    host.follower.check()
    assert b"PRIVATE KEY" in host.path("private-key").read_bytes()
    assert host.hooks.commands == ["on-issuance", "on-renewal"]


def test_full_disk_keeps_the_files_and_reports_once(host: FakeHost) -> None:
    host.stack.deliver(1)
    host.follower.check()
    host.stack.deliver(2)
    with no_room():
        for _ in range(3):
            host.follower.check()
    assert host.serial() == 1_001
    assert len(host.log.errors) == 1
    assert "File too large" in host.log.errors[0]
    assert host.hooks.commands == ["on-issuance", "on-failure"]
    host.follower.check()
    assert host.serial() == 1_002
    assert host.hooks.commands == ["on-issuance", "on-failure", "on-renewal"]


@contextmanager
def no_room() -> Iterator[None]:
    """Let every write of a file fail, as on a full disk: the limit on the size of files is 0."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_csr_certificate_without_key_file(tmp_path: Path) -> None:
    host = FakeHost(tmp_path, outputs=("certificate", "chain"))
    host.stack.deliver(1, value=secret_value(1, with_key=False))
    host.follower.check()
    assert serial_of(host.path("certificate").read_bytes()) == 1_001


def test_key_file_of_a_csr_certificate_is_refused(host: FakeHost) -> None:
    host.stack.deliver(1, value=secret_value(1, with_key=False))
    host.follower.check()
    assert "issued for a CSR" in host.log.errors[0]
    assert not host.path("certificate").exists()


def test_plan_writes_nothing(host: FakeHost) -> None:
    host.stack.deliver(1)
    assert host.follower.plan().startswith("would install revision 1, valid to 2026-04-14")
    assert not host.folder.exists()
    host.follower.check()
    assert host.follower.plan() == "revision 1 is installed"


def _snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in folder.rglob("*")}


def test_failed_takeover_restores_the_files_of_another_program(host: FakeHost, tmp_path: Path) -> None:
    other = FakeHost(tmp_path / "other")
    other.stack.deliver(7)
    other.follower.check()
    host.folder.mkdir()
    for kind in ("certificate", "private-key", "chain"):
        host.path(kind).write_bytes(other.path(kind).read_bytes())
    host.commands["on-renewal"] = Hook("on-renewal", rollback=True)
    host.restart()
    host.stack.deliver(1)
    host.hooks.problems = ["failed with exit code 1"]
    host.follower.check()
    assert host.serial() == 1_007
    assert host.path("private-key").read_bytes() == other.path("private-key").read_bytes()
    assert "the files of the certificate that was here before are back" in host.log.errors[0]
    host.now += DELAYS[0]
    host.follower.check()
    assert host.serial() == 1_001


@pytest.mark.parametrize("how", ["removed", "overwritten"])
def test_changed_file_of_a_set_is_repaired_once(host: FakeHost, how: str) -> None:
    host.stack.deliver(1)
    host.follower.check()
    key = host.path("private-key").read_bytes()
    if how == "removed":
        host.path("private-key").resolve().unlink()
    else:
        host.path("private-key").write_bytes(b"another program writes through the link")
    for _ in range(3):
        host.follower.check()
    assert host.path("private-key").read_bytes() == key
    assert host.hooks.commands == ["on-issuance", "on-renewal"]


def test_changed_mode_of_the_host_file_applies_at_once(host: FakeHost) -> None:
    host.stack.deliver(1)
    host.follower.check()
    host.outputs = tuple(replace(one, mode=0o640) for one in host.outputs)
    host.restart().check()
    assert stat.S_IMODE(host.path("private-key").stat().st_mode) == 0o640
    assert host.hooks.commands == ["on-issuance", "on-renewal"]


def test_retry_of_a_hook_does_not_wait_for_the_interval(host: FakeHost) -> None:
    host.stack.deliver(1)
    host.hooks.problems = ["failed with exit code 1"]
    assert host.follower.check() == DELAYS[0]


def test_rollback_without_its_set_keeps_the_hook_due(host: FakeHost) -> None:
    host.commands["on-renewal"] = Hook("on-renewal", rollback=True)
    host.restart()
    host.stack.deliver(1)
    host.follower.check()
    host.stack.deliver(2)
    shutil.rmtree(next((host.folder / ".evercert" / "web").glob("1-*")))
    host.hooks.problems = ["failed with exit code 1"]
    host.follower.check()
    assert "are back" not in host.log.errors[-1]
    host.now += DELAYS[0]
    host.follower.check()
    assert host.hooks.commands == ["on-issuance", "on-renewal", "on-failure", "on-renewal"]
    assert host.follower.healthy


def test_removed_hook_ends_its_incident(host: FakeHost) -> None:
    host.stack.deliver(1)
    host.hooks.problems = ["failed with exit code 1"]
    host.follower.check()
    host.commands.clear()
    host.restart()
    host.now += DELAYS[0]
    host.follower.check()
    assert host.follower.healthy


def test_first_installation_that_failed_is_still_an_issuance(host: FakeHost) -> None:
    host.path("chain").mkdir(parents=True)
    host.stack.deliver(1)
    host.follower.check()
    host.path("chain").rmdir()
    host.follower.check()
    assert host.hooks.commands == ["on-failure", "on-issuance"]


def test_second_secret_is_read_if_the_first_has_another_format(host: FakeHost) -> None:
    host.stack.deliver(1)
    assert host.stack.status_ is not None
    other = DeliveredSecret(LOCATION.replace("web-", "a-"), "binary", 1)
    host.stack.values["binary"] = "not JSON"
    host.stack.status_ = replace(host.stack.status_, secrets=(*host.stack.status_.secrets, other))
    host.follower.check()
    host.follower.check()
    assert host.serial() == 1_001
    assert host.follower.healthy
