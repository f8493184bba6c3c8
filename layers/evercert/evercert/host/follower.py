"""Follow one certificate: read its state, install what the stack delivered, report what fails."""

from __future__ import annotations

from datetime import timedelta

from evercert.contracts.certificate_status import CertificateStatus, DeliveredSecret
from evercert.errors import EvercertError, Misconfigured, Unavailable, Unexpected
from evercert.host.bundle import read
from evercert.host.certificate import HostCertificate
from evercert.host.context import HostContext
from evercert.host.installer import Installer
from evercert.host.ports import Log
from evercert.pki.certificate import Bundle
from evercert.timestamps import to_text

PATIENCE = timedelta(hours=1)  # a service that does not answer is not reported to `on-failure` before
SOON, MOST_SOON = timedelta(seconds=20), 30  # between first checks of a certificate that the stack is issuing
STACK, HOST, EXPIRY = "stack", "host", "expiry"


class Follower:
    """Keeps one certificate on this host up to date. `check` may be called at any time and after any failure."""

    def __init__(self, certificate: HostCertificate, context: HostContext, log: Log) -> None:
        self.certificate = certificate
        self._stack = context.stack
        self._clock, self._acknowledger = context.clock, context.acknowledger
        self._log = log
        self._installer = Installer(certificate, context, log)
        self._quick = MOST_SOON
        self._unusable: set[str] = set()

    @property
    def healthy(self) -> bool:
        """Return whether a valid certificate is installed and nothing fails."""
        installed = self._installer.state.installed
        return not self._installer.state.incidents and installed is not None and installed.not_after > self._clock()

    def facts(self) -> dict[str, object]:
        """Return the state for a health check."""
        state = self._installer.state
        return {
            "name": self.certificate.name,
            "healthy": self.healthy,
            "revision": state.installed and state.installed.revision,
            "not_after": state.installed and to_text(state.installed.not_after),
            "problems": [incident.message for incident in state.incidents.values()],
        }

    def check(self) -> timedelta | None:
        """Check the certificate once; return the time to the next check if it should be soon. Never raises."""
        soon = None
        try:
            self._installer.resume()
            status = self._require_applied(self._stack.status(self.certificate.name))
            soon = self._follow(status)
            self._installer.recover(HOST)
            self._acknowledge()
            self._report_stack(status)
        except Unavailable as error:
            message = f"{error}; the installed files stay, and the agent tries again"
            self._installer.fail(HOST, error.kind, message, patience=PATIENCE)
        except EvercertError as error:
            self._installer.fail(HOST, f"{error.kind} {error}", f"{error}; the installed files stay")
        except OSError as error:
            where = self.certificate.outputs[0].path.parent
            problem = f"cannot write the files in {where}: {error.strerror or error} ({error.filename})"
            self._installer.fail(HOST, f"os {error.errno}", f"{problem}; the installed files stay")
        except Exception as error:  # noqa: BLE001 (a bug in one certificate must not stop the others)
            self._installer.fail(HOST, "unexpected", str(Unexpected.of(error)))
        self._report()
        due = self._installer.next_due()
        return min((pause for pause in (soon, due) if pause is not None), default=None)

    def _report(self) -> None:
        """Report what fails; a failure to do so must not end the agent."""
        try:
            self._check_expiry()
            self._installer.report()
        except Exception as error:  # noqa: BLE001 (of one certificate)
            self._log.error(str(Unexpected.of(error)))

    def plan(self) -> str:
        """Return what `check` would do, without writing anything; raise an EvercertError if it would fail."""
        status = self._require_applied(self._stack.status(self.certificate.name))
        secret = self._newest(status)
        if secret is None:
            return "nothing to install: the stack has not delivered it yet"
        if self._installer.is_current(secret):
            return f"revision {secret.revision} is installed"
        bundle = self._read(secret)
        paths = ", ".join(str(output.path) for output in self.certificate.outputs)
        for output in self.certificate.outputs:
            output.content(bundle)
            output.owner_ids()
        return f"would install revision {secret.revision}, valid to {to_text(bundle.chain.ends)}: {paths}"

    def _follow(self, status: CertificateStatus) -> timedelta | None:
        """Install the newest delivered certificate."""
        secret = self._newest(status)
        if secret is None:
            is_new = self._installer.state.installed is None and status.failure is None
            self._quick -= is_new
            return SOON if is_new and self._quick >= 0 else None
        if self._installer.is_current(secret):
            return None
        bundle = self._read(secret)
        if self._installer.waits(bundle.chain.fingerprint_sha256):
            return None
        self._require_valid(bundle, secret)
        self._installer.install(bundle, secret, status.uid)
        self._installer.run_due_hook()
        return None

    def _newest(self, status: CertificateStatus) -> DeliveredSecret | None:
        wanted = sorted(status.secrets, key=lambda secret: (-secret.revision, secret.location))
        first = wanted[0] if wanted else None
        return next((secret for secret in wanted if secret.location not in self._unusable), first)

    def _read(self, secret: DeliveredSecret) -> Bundle:
        try:
            return read(self._stack.secret(secret.location, secret.version), secret.location)
        except Misconfigured:
            self._unusable.add(secret.location)  # the next check reads another secret of the certificate
            raise

    def _require_applied(self, status: CertificateStatus | None) -> CertificateStatus:
        if status is None:
            name, file = self.certificate.name, self.certificate.place.partition(":")[0]
            raise Misconfigured(f"the stack has no certificate {name}: from any machine, run: evercert apply {file}")
        return status

    def _require_valid(self, bundle: Bundle, secret: DeliveredSecret) -> None:
        """Raise Misconfigured rather than replace a valid certificate by an expired one."""
        installed, now = self._installer.state.installed, self._clock()
        if installed is not None and bundle.chain.ends <= now < installed.not_after:
            raise Misconfigured(
                f"revision {secret.revision} expired at {to_text(bundle.chain.ends)}, and revision "
                f"{installed.revision} is still valid: check the clock of this host, and run: evercert show "
                f"{self.certificate.name}"
            )

    def _report_stack(self, status: CertificateStatus) -> None:
        """Report what fails in the stack; a failure of other destinations does not concern this host."""
        failure, newest = status.failure, self._newest(status)
        holds = newest is not None and newest.revision == status.revision
        if status.revoked:
            self._installer.fail(STACK, "revoked", "the issuer revoked the certificate; the stack replaces it")
        elif failure is not None and not (status.state == "undelivered" and holds):
            message = f"the stack cannot renew or deliver it ({failure.kind}): {failure.message}"
            self._installer.fail(STACK, failure.kind, message)
        else:
            self._installer.recover(STACK)

    def _acknowledge(self) -> None:
        """Acknowledge the installed certificate, once its hook has succeeded."""
        installed = self._installer.state.installed
        if self._acknowledger is not None and installed is not None and self._installer.state.hook is None:
            self._acknowledger.acknowledge(self.certificate.name, installed, self._log)

    def _check_expiry(self) -> None:
        installed = self._installer.state.installed
        if installed is None:
            return
        if installed.not_after <= self._clock():
            message = f"the installed certificate expired at {to_text(installed.not_after)}"
            self._installer.fail(EXPIRY, installed.fingerprint, message)
        else:
            self._installer.recover(EXPIRY)
