"""Install certificates on this host: stage, switch, run the hook; each step is stored before it is made.

An end at any moment leaves a complete set at the paths. The next start continues: it runs a hook that was due, and
repeats one that it ended in.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from evercert.contracts.certificate_status import DeliveredSecret
from evercert.errors import EvercertError, Misconfigured
from evercert.host.certificate import DELAYS, HookEvent, HostCertificate, delay
from evercert.host.context import HostContext
from evercert.host.file_set import FileSet
from evercert.host.hooks import HookResult
from evercert.host.ports import Log
from evercert.host.state import HookName, HookRun, Incident, Installed
from evercert.pki.certificate import Bundle
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
        """Return whether this version of the secret is installed and all paths show it."""
        installed = self.state.installed
        return installed is not None and installed.secret_version == secret.version and self._files.shows(installed.set)

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
        )
        if self._files.shows(name):
            self.change(installed=new)
            return
        then: HookName = "on-issuance" if is_first else "on-renewal"
        self.change(installing=new, then=then)
        self._switch()
        self._log.info(f"revision {new.revision} is installed", **_facts(new))

    def resume(self) -> None:
        """Complete an interrupted installation, and run the hook that is due."""
        if self.state.installing is not None:
            try:
                self._switch()
            except Misconfigured:  # its set was removed: the next check installs the certificate again
                self.change(installing=None, then=None)
        self.run_due_hook()

    def _switch(self) -> None:
        new, before = self.state.installing, self.state.installed
        if new is None:
            return
        self._files.switch(new.set)
        then = self.state.then
        run = HookRun(name=then) if then is not None and then in self._certificate.hooks else None
        previous = before if before is not None and before.set != new.set else self.state.previous
        self.change(installed=new, previous=previous, installing=None, then=None, hook=run)
        self._files.keep([new.set, previous.set if previous is not None else None])

    def run_due_hook(self) -> None:
        """Run the hook of the installed certificate, if it is due."""
        run, installed = self.state.hook, self.state.installed
        if run is None or installed is None or not is_due(run.retry_at, self._clock()):
            return
        hook = self._certificate.hooks.get(run.name)
        if hook is None:  # removed from the host's file
            self.change(hook=None)
            return
        if run.started:
            self._log.error(f"the agent ended while {run.name} ran: it runs again", **_facts(installed))
        run = run.model_copy(update={"started": True, "attempts": run.attempts + 1})
        self.change(hook=run)
        result = self._hooks.run(hook, self.variables())
        if result.problem is None:
            self._log.info(f"{run.name} succeeded", **_facts(installed), output=result.output)
            self.change(hook=None, refused=None, refused_until=None, rollbacks=0, incidents=self._without("hook"))
            return
        self._failed(run, installed, result, rollback=hook.rollback)

    def _failed(self, run: HookRun, installed: Installed, result: HookResult, *, rollback: bool) -> None:
        now, previous = self._clock(), self.state.previous
        message = f"{run.name} {result.problem}"
        if not rollback or (previous is not None and previous.not_after <= now):
            previous = None
        if previous is not None:
            message += f"; the files of revision {previous.revision} are back"
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
                result = self._hooks.run(hook, {**self.variables(), "ERROR_MESSAGE": incident.message})
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

    def variables(self) -> dict[str, str]:
        """Return the variables of hooks: those of the Infisical agent's documentation, and a few more."""
        certificate, installed = self._certificate, self.state.installed
        found = {"CERT_NAME": certificate.name}
        common_name = certificate.common_name or (installed.common_name if installed is not None else None)
        if common_name is not None:
            found["CERT_COMMON_NAME"] = common_name
        for output in certificate.outputs:
            found[VARIABLES[output.kind]] = str(output.path)
        if installed is not None:
            found["CERT_SERIAL_NUMBER"] = installed.serial_number
            found["CERT_FINGERPRINT_SHA256"] = installed.fingerprint
            found["CERT_NOT_AFTER"] = to_text(installed.not_after)
            found["CERT_REVISION"] = str(installed.revision)
        return found

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


VARIABLES: Mapping[str, str] = {
    "certificate": "CERT_FILE_PATH",
    "private-key": "CERT_PRIVATE_KEY_FILE_PATH",
    "chain": "CERT_CHAIN_FILE_PATH",
    "fullchain": "CERT_FULLCHAIN_FILE_PATH",
    "combined": "CERT_COMBINED_FILE_PATH",
    "certificate-der": "CERT_DER_FILE_PATH",
    "private-key-der": "CERT_PRIVATE_KEY_DER_FILE_PATH",
    "pkcs12": "CERT_PKCS12_FILE_PATH",
    "jks": "CERT_JKS_FILE_PATH",
}
HOOK_EVENTS: tuple[HookEvent, ...] = ("on-issuance", "on-renewal", "on-failure")


def is_due(at: datetime | None, now: datetime) -> bool:
    """Return whether a stored time has come; one that is too far away was stored by a clock that was wrong."""
    return at is None or at <= now or at - now > DELAYS[-1]


def _facts(installed: Installed) -> dict[str, object]:
    return {
        "revision": installed.revision,
        "serial_number": installed.serial_number,
        "not_after": to_text(installed.not_after),
    }
