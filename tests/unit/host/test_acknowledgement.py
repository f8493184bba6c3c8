"""Acknowledgements: after the hook, once for each revision and day, and without effect on anything else."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from evercert.contracts.consumers import Acknowledgement, AcknowledgementRefusal
from evercert.errors import Unavailable
from evercert.host.acknowledgement import RETRIED, Acknowledger
from tests.doubles.host import UID, FakeHost


class Store:
    """Keeps what was acknowledged; `answers` are the next answers."""

    def __init__(self) -> None:
        self.loaded: list[Acknowledgement] = []
        self.answers: list[AcknowledgementRefusal | Unavailable | None] = []

    def acknowledge(self, loaded: Acknowledgement) -> AcknowledgementRefusal | None:
        """Keep an acknowledgement."""
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Unavailable):
            raise answer
        self.loaded.append(loaded)
        return answer


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def host(tmp_path: Path, store: Store) -> FakeHost:
    found = FakeHost(tmp_path)
    found.acknowledger = Acknowledger(store, lambda: "AROAEXAMPLE:i-0123", "web-1.example.com", found.clock)
    found.restart()
    found.stack.deliver(1)
    return found


def test_host_acknowledges_each_revision_once_a_day(host: FakeHost, store: Store) -> None:
    for _ in range(3):
        host.follower.check()
    (loaded,) = store.loaded
    assert (loaded.consumer, loaded.certificate, loaded.host) == ("AROAEXAMPLE:i-0123", "web", "web-1.example.com")
    assert (loaded.uid, loaded.revision, loaded.version) == (UID, 1, "version-1")
    host.now += timedelta(days=1)
    host.follower.check()
    host.stack.deliver(2)
    host.follower.check()
    assert [one.revision for one in store.loaded] == [1, 1, 2]
    assert store.loaded[1].loaded_at < store.loaded[1].seen_at


def test_host_acknowledges_nothing_before_the_hook_succeeds(host: FakeHost, store: Store) -> None:
    host.hooks.problems = ["failed with exit code 1"]
    host.follower.check()
    assert store.loaded == []
    host.now += timedelta(minutes=1)
    host.follower.check()
    assert [one.revision for one in store.loaded] == [1]


def test_failed_acknowledgement_is_logged_once_and_tried_again(host: FakeHost, store: Store) -> None:
    store.answers = [Unavailable("no answer"), Unavailable("no answer"), None]
    for _ in range(3):
        host.follower.check()
        host.now += RETRIED
    assert host.log.errors == ["not acknowledged: no answer"]
    assert host.log.lines[-1] == "solved: no answer"
    assert (len(store.loaded), host.follower.healthy, host.hooks.commands) == (1, True, ["on-issuance"])


def test_newer_acknowledgement_of_the_same_host_is_no_failure(host: FakeHost, store: Store) -> None:
    store.answers = [AcknowledgementRefusal("a newer revision of web is acknowledged already")]
    host.follower.check()
    host.follower.check()
    assert len(store.loaded) == 1
    assert host.follower.healthy
