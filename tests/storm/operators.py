"""Operators who work during a storm, through the real command."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.storm.deployment import LONG, Site
from tests.storm.history import Command, History
from tests.storm.plan import Step


@dataclass
class Operators:
    """Carry out the steps of a plan, one after the other; every command goes into the history."""

    site: Site
    history: History

    def run(self, steps: Sequence[Step], began: float, seconds: float, stop: threading.Event) -> None:
        """Carry out each step at its time after `began`, or as soon as the one before has ended.

        On a slow machine the last steps are left out; nothing stays paused.
        """
        paused: set[str] = set()
        for step in steps:
            late = time.monotonic() > began + seconds
            if late or stop.wait(max(0.0, began + step.at - time.monotonic())):
                break
            self._take(step)
            if step.kind == "pause":
                paused.add(step.target)
            elif step.kind == "resume":
                paused.discard(step.target)
        for issuer in sorted(paused):
            self.command("resume", "--issuer", issuer)

    def command(self, *arguments: str, changes: str = "") -> None:
        """Run the command to its end."""
        done = self.site.stack.evercert(*arguments)
        output = done.stdout + done.stderr
        self.history.commands.append(Command(arguments, done.returncode, output, time.time(), changes))

    def begin(self, names: Sequence[str]) -> None:
        """Apply the document of all certificates; the storm begins while they are issued."""
        self.command("apply", self.site.document(names))

    def calm(self, names: Sequence[str]) -> None:
        """Give all certificates a long lifetime, so that after one last renewal nothing is due."""
        self.command("apply", self.site.document(names, ttl=LONG), "--now")

    def _take(self, step: Step) -> None:
        name = step.target
        match step.kind:
            case "renew":
                self.command("renew", name, "--reason", "storm", changes=name)
            case "renew-issuer":
                self.command("renew", "--issuer", name, "--now", "--yes")
            case "edit":
                self.site.edits[name] = self.site.edits.get(name, 0) + 1
                self.command("apply", self.site.document([name]), changes=name)
            case "label":
                self.site.labels[name] = self.site.labels.get(name, 0) + 1
                self.command("apply", self.site.document([name]))
            case "recreate":
                self.command("delete", name, "--yes", changes=name)
                self.command("apply", self.site.document([name]), changes=name)
            case "pause" | "resume":
                self.command(step.kind, "--issuer", name)
            case "show":
                self.command("show", name)
            case kind:
                self.command(kind)
