"""The agent's loop: times, events, signals, health, systemd."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Self

import pytest

from evercert.errors import Misconfigured, Unavailable
from evercert.host.agent import Agent
from evercert.host.event_listener import EventListener
from evercert.host.health import Health
from evercert.host.systemd import Systemd
from tests.doubles.host import FakeHost, ListLog


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    found = FakeHost(tmp_path)
    found.stack.deliver(1)
    return found


def agent(
    host: FakeHost, *, interval: float = 3_600, systemd: Systemd | None = None, health: Health | None = None
) -> Agent:
    return Agent(
        [host.follower], timedelta(seconds=interval), health or Health(host.clock), systemd or Systemd({}), host.log
    )


class Running:
    """An agent in a thread."""

    def __init__(self, made: Agent) -> None:
        self.agent = made
        self.thread = threading.Thread(target=made.run)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.agent.stop()
        self.thread.join(10)
        assert not self.thread.is_alive()


def wait_for(happened: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_once_checks_each_certificate(host: FakeHost) -> None:
    assert agent(host).check_all()
    assert host.serial() == 1_001


def test_once_fails_if_a_certificate_fails(host: FakeHost) -> None:
    host.stack.error = Misconfigured("denied")
    assert not agent(host).check_all()


def test_event_checks_at_once_and_a_foreign_one_does_not(host: FakeHost) -> None:
    with Running(agent(host)) as running:
        wait_for(lambda: host.stack.calls)
        wait_for(lambda: host.hooks.commands == ["on-issuance"])
        running.agent.wake("another")
        host.stack.deliver(2)
        running.agent.wake("web")
        wait_for(lambda: host.hooks.commands == ["on-issuance", "on-renewal"])
    assert host.stack.calls.count("status web") == 2


def test_checks_come_at_each_interval(host: FakeHost) -> None:
    with Running(agent(host, interval=0.05)):
        wait_for(lambda: host.stack.calls.count("status web") >= 5)


def test_many_events_of_one_certificate_are_one_check(host: FakeHost) -> None:
    made = agent(host)
    for _ in range(50):
        made.wake("web")
    with Running(made):
        wait_for(lambda: host.stack.calls.count("status web") >= 1)
        time.sleep(0.2)
    assert host.stack.calls.count("status web") <= 2


def test_events_and_health_do_not_wait_for_slow_checks(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evercert.host.agent.HEALTH_INTERVAL", 0.05)
    health = Health(host.clock)
    with Running(agent(host, interval=0.0001, health=health)) as running:  # something is always due
        wait_for(lambda: health.ok)
        host.stack.deliver(2)
        running.agent.wake("web")
        wait_for(lambda: '"revision": 2' in health.text)


def test_health_follows_the_checks(host: FakeHost, tmp_path: Path) -> None:
    health = Health(host.clock, tmp_path / "health.json")
    made = agent(host, health=health)
    with health.serving(0) as port:
        url = f"http://127.0.0.1:{port}/"
        with pytest.raises(urllib.error.HTTPError, match="503") as refused:
            urllib.request.urlopen(url, timeout=5)
        refused.value.close()
        made.check_all()
        with urllib.request.urlopen(url, timeout=5) as answer:
            found = json.loads(answer.read())
    assert found == json.loads((tmp_path / "health.json").read_text())
    assert (found["ok"], found["certificates"][0]["revision"]) == (True, 1)
    host.stack.fail()
    made.check_all()
    assert not json.loads((tmp_path / "health.json").read_text())["ok"]


def test_taken_health_port_is_one_line(host: FakeHost) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        health = Health(host.clock).serving(taken.getsockname()[1])
        with pytest.raises(Misconfigured, match="choose another port"), health:
            pass


def test_systemd_hears_of_start_life_and_end(host: FakeHost, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)
        systemd = Systemd({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "300000"})
        with Running(agent(host, systemd=systemd)):
            found = [manager.recv(1_000).decode() for _ in range(4)]
        while "STOPPING=1" not in found:
            found.append(manager.recv(1_000).decode())
    assert found[0] == "READY=1\nSTATUS=following 1 certificates"
    assert found.count("WATCHDOG=1") >= 3


def test_watchdog_of_another_process_is_not_ours() -> None:
    assert Systemd({"WATCHDOG_USEC": "300000", "WATCHDOG_PID": "1"}).interval == float("inf")


class Events:
    """Two rounds: one with an event, one that fails."""

    def __init__(self) -> None:
        self.rounds = 0

    def receive(self) -> Iterator[str]:
        self.rounds += 1
        if self.rounds in (2, 3):
            raise Unavailable("no queue")
        yield "web"


def test_listener_survives_failures_and_logs_each_once() -> None:
    log, woken, events = ListLog(), [], Events()
    listener = EventListener(events, woken.append, log, pause=0.01)
    listener.start()
    wait_for(lambda: events.rounds > 4)
    listener.stop()
    assert log.errors == ["no queue; the agent checks at each interval meanwhile"]
    assert log.lines == ["solved: no queue"]
    assert len(woken) >= 2
