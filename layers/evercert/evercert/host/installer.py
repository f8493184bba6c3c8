"""Install certificates on this host: stage, switch, run the hook; each step is stored before it is made.

An end at any moment leaves a complete set at the paths. The next start continues: it runs a hook that was due, and
repeats one that it ended in.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from evercert.contracts.certificate_status import DeliveredSecret
from evercert.errors import EvercertError
from evercert.host import variables
from evercert.host.certificate import DELAYS, HostCertificate, delay
from evercert.host.context import HostContext
from evercert.host.file_set import FileSet, MissingSet
from evercert.host.hooks import HookResult
from evercert.host.ports import Log
from evercert.host.state import HookName, HookRun, Incident, Installed
from evercert.pki.certificate import Bundle, Chain
from evercert.timestamps import to_text


class Installer:
    """Files, hooks and stored state of one certificate on this host."""

    def __init__(self, certificate: HostCertificate, context: HostContext, log: Log) -> None:
        self._certificate = certificate
        self._files = FileSet(certificate.name, certificate.outputs)
        self._states, self._hooks, self._clock = context.states, context.hooks, context.clock
        self._log = log
        self.state = self._states.load(certificate.name)
        self._stored = self.state

    def change(self, **changes: Any) -> None:  # noqa: ANN401
        """Change the state, and store it; raise OSError if it cannot be stored."""
        new = self.state.model_copy(update=changes)
        if new != self._stored:
            self._states.save(self._certificate.name, new)
            self._stored = new
        self.state = new  # not before: a step that is not stored is not made

    def is_current(self, secret: DeliveredSecret) -> bool:
        """Return whether this version of the secret is installed as configured, and all paths show it unchanged."""
        installed, files = self.state.installed, self._files
        return (
            installed is not None
            and (installed.secret_version, installed.settings) == (secret.version, files.settings)
            and files.shows(installed.set)
            and files.marks(installed.set) == installed.marks
        )

    def waits(self, fingerprint: str) -> bool:
        """Return whether this certificate was rolled back, and is not due to be tried again."""
        return self.state.refused == fingerprint and not is_due(self.state.refused_until, self._clock())

    def install(self, bundle: Bundle, secret: DeliveredSecret, uid: str) -> None:
        """Install a certificate; do nothing if the paths show it already."""
        before, fingerprint = self.state.installed, bundle.chain.fingerprint_sha256
        is_first = before is None and not self._files.has_existing_files()
        name = self._files.stage(bundle, secret.revision)
        new = Installed(
            set=name,
            uid=uid,
            revision=secret.revision,
            fingerprint=fingerprint,
            serial_number=bundle.chain.serial_number,
            common_name=bundle.chain.common_name,
            not_after=bundle.chain.ends,
            secret_version=secret.version,
            at=self._clock(),
            settings=self._files.settings,
            marks=self._files.marks(name),
        )
        if self._files.shows(name):
            self.change(installed=new)
            return
        then: HookName = self.state.then or ("on-issuance" if is_first else "on-renewal")
        self.change(installing=new, then=then)
        self._switch()
        self._log.info(f"revision {new.revision} is installed", **_facts(new))

    def resume(self) -> None:
        """Complete an interrupted installation, and run the hook that is due."""
        if self.state.installing is not None:
            try:
                self._switch()
            except MissingSet:  # the next check installs the certificate again, and then runs the hook
                was_rollback = self.state.then is None
                self.change(installing=None, hook=HookRun(name="on-renewal") if was_rollback else self.state.hook)
        self.run_due_hook()

    def _switch(self) -> None:
        new, before = self.state.installing, self.state.installed
        if new is None:
            return
        adopted = self._files.switch(new.set)
        then = self.state.then
        run = HookRun(name=then) if then is not None and then in self._certificate.hooks else None
        previous = before if before is not None and before.set != new.set else self.state.previous
        if adopted is not None and before is None:
            previous = self._found(adopted)
        incidents = self.state.incidents if run is not None or then is None else self._without("hook")
        self.change(installed=new, previous=previous, installing=None, then=None, hook=run, incidents=incidents)
        self._files.keep([new.set, previous.set if previous is not None else None])

    def _found(self, adopted: str) -> Installed | None:
        """Return the certificate that another program had installed, to which a failed hook can return."""
        try:
            chain = Chain.from_pem((self._files.certificate_of(adopted) or b"").decode())
        except ValueError:
            return None
        return Installed(
            set=adopted,
            uid="",
            revision=0,
            fingerprint=chain.fingerprint_sha256,
            serial_number=chain.serial_number,
            not_after=chain.ends,
            secret_version="",
            at=self._clock(),
        )

    def run_due_hook(self) -> None:
        """Run the hook of the installed certificate, if it is due."""
        run, installed = self.state.hook, self.state.installed
        if run is None or installed is None or not is_due(run.retry_at, self._clock()):
            return
        hook = self._certificate.hooks.get(run.name)
        if hook is None:  # removed from the host's file
            self.change(hook=None, incidents=self._without("hook"))
            return
        if run.started:
            self._log.error(f"the agent ended while {run.name} ran: it runs again", **_facts(installed))
        run = run.model_copy(update={"started": True, "attempts": run.attempts + 1})
        self.change(hook=run)
        result = self._hooks.run(hook, variables.of_hook(self._certificate, self.state.installed))
        if result.problem is None:
            self.change(hook=None, refused=None, refused_until=None, rollbacks=0, incidents=self._without("hook"))
            self._log.info(f"{run.name} succeeded", **_facts(installed), output=result.output)
            return
        self._failed(run, installed, result, rollback=hook.rollback)

    def _failed(self, run: HookRun, installed: Installed, result: HookResult, *, rollback: bool) -> None:
        now, previous = self._clock(), self.state.previous
        message = f"{run.name} {result.problem}"
        if not rollback or (previous is not None and previous.not_after <= now):
            previous = None
        if previous is not None and not self._files.holds(previous.set):
            previous = None
        if previous is not None:
            which = f"revision {previous.revision}" if previous.revision else "the certificate that was here before"
            message += f"; the files of {which} are back"
            retry_at = now + delay(self.state.rollbacks + 1)
        else:
            retry_at = now + delay(run.attempts)
        message += f"; next try after {to_text(retry_at)}"
        self._log.error(message, **_facts(installed), output=result.output)
        incidents = {**self.state.incidents}
        if "hook" not in incidents:
            incidents["hook"] = Incident(key=installed.fingerprint, message=message, report_at=now)
        if previous is None:
            again = run.model_copy(update={"started": False, "retry_at": retry_at})
            self.change(hook=again, incidents=incidents)
            return
        self.change(
            installing=previous,
            then=None,
            hook=None,
            refused=installed.fingerprint,
            refused_until=retry_at,
            rollbacks=self.state.rollbacks + 1,
            incidents=incidents,
        )
        self._switch()

    def next_due(self) -> timedelta | None:
        """Return the time to the next retry or report, at least a second; None if there is none."""
        state, now = self.state, self._clock()
        times = [state.hook.retry_at if state.hook is not None else None, state.refused_until]
        times += [one.report_at for one in state.incidents.values() if one.report != "done"]
        due = min((at for at in times if at is not None and not is_due(at, now)), default=None)
        return None if due is None else max(due - now, timedelta(seconds=1))

    def report(self) -> None:
        """Run `on-failure` for each incident that is not reported yet."""
        for part, incident in self.state.incidents.items():
            if incident.report == "done" or not is_due(incident.report_at, self._clock()):
                continue
            hook = self._certificate.hooks.get("on-failure")
            if hook is not None:
                if incident.report == "started":
                    self._log.error("the agent ended while on-failure ran: it runs again")
                self._set_report(part, "started")
                result = self._hooks.run(
                    hook,
                    {**variables.of_hook(self._certificate, self.state.installed), "ERROR_MESSAGE": incident.message},
                )
                if result.problem is not None:
                    self._log.error(f"on-failure {result.problem}", output=result.output)
            self._set_report(part, "done")

    def fail(self, part: str, key: str, message: str, *, patience: timedelta = timedelta(0)) -> None:
        """Record a failure; log it once. `on-failure` follows if it lasts longer than `patience`."""
        known = self.state.incidents.get(part)
        if known is not None and known.key == key:
            return
        self._log.error(message)
        incident = Incident(key=key, message=message, report_at=self._clock() + patience)
        self._keep({**self.state.incidents, part: incident})

    def recover(self, part: str) -> None:
        """Forget the failure of a part, and log that it is over."""
        if part in self.state.incidents:
            self._log.info(f"solved: {self.state.incidents[part].message}")
            self._keep(self._without(part))

    def _without(self, part: str) -> dict[str, Incident]:
        return {other: incident for other, incident in self.state.incidents.items() if other != part}

    def _set_report(self, part: str, report: str) -> None:
        incident = self.state.incidents[part].model_copy(update={"report": report})
        self._keep({**self.state.incidents, part: incident})

    def _keep(self, incidents: Mapping[str, Incident]) -> None:
        """Change the incidents; on a full disk they stay in memory, so that `on-failure` runs nevertheless."""
        try:
            self.change(incidents=dict(incidents))
        except (OSError, EvercertError):
            self.state = self.state.model_copy(update={"incidents": dict(incidents)})


def is_due(at: datetime | None, now: datetime) -> bool:
    """Return whether a stored time has come; one that is too far away was stored by a clock that was wrong."""
    return at is None or at <= now or at - now > DELAYS[-1]


def _facts(installed: Installed) -> dict[str, object]:
    return {
        "revision": installed.revision,
        "serial_number": installed.serial_number,
        "not_after": to_text(installed.not_after),
    }
