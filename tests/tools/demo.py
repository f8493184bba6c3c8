"""`make demo`: issue and renew two certificates on a local stack, and verify them with openssl.

One certificate is self-signed. The stack's own authority, with keys in KMS, issues the other one from a document of the
Infisical agent: over HTTPS, with AWS IAM login. The demo deploys the stack, sets up the authority as an operator would,
and applies both documents. It invokes no function and writes no record: the stack's schedule starts all work. With
ACME=1, a third certificate comes from an ACME server (tests/tools/demo_acme.py). Where nginx is installed, it serves the
authority's certificate, and `evercert agent` reloads it (tests/tools/demo_host.py).

It prints one line per step with its time, and a timeline of the certificates. `--verbose` prints commands, events and
the output of openssl.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import boto3

from tests.tools import demo_acme, timeline
from tests.tools.demo_host import DemoHost
from tests.tools.demo_host import enabled as has_nginx
from tests.tools.local_authority import LocalAuthority, choose_address, serve_authority, set_up
from tests.tools.local_infisical import trust_environment, with_address
from tests.tools.local_stack import ROOT, Emulator, NotRunning, build, client_arguments, deploy, emulator
from tests.tools.openssl import CheckFailed, require
from tests.tools.operator_session import TYPES, Example, OperatorSession, check_with_openssl, say
from tests.tools.step_output import step

DOCUMENT, AGENT_DOCUMENT = "examples/web.yaml", "examples/agent.yaml"
WEB = Example("web", ("DNS:www.example.com", "DNS:example.com", "IP Address:192.0.2.10"))
APP = Example("app.example.com", ("DNS:app.example.com", "DNS:www.app.example.com"))


class Demo(OperatorSession):
    """One run of the demo."""

    def __init__(self, running: Emulator, resources: ExitStack, *, verbose: bool) -> None:
        arguments = client_arguments(running)
        environment = {"PATH": "/usr/bin:/bin", **running.environment}
        self.acme = demo_acme.enabled()
        examples = [WEB, APP, *([demo_acme.SHOP] if self.acme else [])]
        super().__init__(cache(lambda service: boto3.client(service, **arguments)), environment, examples)
        self.running, self.resources, self.verbose = running, resources, verbose

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        with super().phase(title) if self.verbose else step(title):
            yield

    def log(self) -> str:
        return f"; end of the local stack's log:\n{self.running.log()[-1500:]}"

    def run(self) -> None:
        with self.phase("build the functions and layers (sam build)"):
            build()
            say("built the functions and layers")
        with self.phase("deploy the stack (sam deploy)"):
            self.outputs = deploy(self.running, AuthorityAddress=choose_address())
            say(f"deployed the stack: {len(self.outputs)} outputs, topic {self.outputs['Topic'].rsplit(':', 1)[-1]}")
            self.subscribe(self.outputs["Topic"], "demo-subscriber", TYPES)
        with self.phase("set up the authority: CAs with keys in KMS, a profile, an identity (evercert authority)"):
            self.identity = self.set_up_authority()
        with self.phase(f"evercert apply {DOCUMENT}"):
            self.evercert("apply", DOCUMENT, "--no-nudge")
        with self.phase(f"evercert apply {AGENT_DOCUMENT}"):
            self.apply_agent_document()
        with self.phase("wait for the schedule to issue both certificates"):
            issued, by_authority = self.next_event(WEB, TYPES[0]), self.next_event(APP, TYPES[0])
        with self.phase("verify the self-signed certificate in Secrets Manager and ACM (openssl)"):
            first = self.secret(WEB, "AWSCURRENT")
            check_with_openssl(WEB, first, issued)
            arn = self.check_acm(first, issued)
        with self.phase("verify the authority's certificate and chain in Secrets Manager (openssl)"):
            self.check_issuer(APP, first_of_app := self.secret(APP, "AWSCURRENT"), by_authority)
        if host := self.host():
            with self.phase("write the authority's certificate to files for nginx (evercert agent)"):
                host.start()
                host.require_served(APP, self.secret(APP, "AWSCURRENT")["certificate"])
        with self.phase("wait for the schedule to renew both certificates"):
            renewed, again = self.next_event(WEB, TYPES[1]), self.next_event(APP, TYPES[1])
        with self.phase("verify the renewed one: new serial and key, same secret and ARN (openssl)"):
            self.compare(WEB, first, issued, renewed)
            require(
                self.check_acm(self.secret(WEB, "AWSCURRENT"), renewed) == arn,
                "the renewed certificate has a different ARN in ACM",
            )
            say("same ARN in ACM: yes")
        with self.phase("verify the authority's renewed certificate, and the signer's ledger (openssl)"):
            self.compare(APP, first_of_app, by_authority, again)
            self.check_issuer(APP, self.secret(APP, "AWSCURRENT"), again)
            self.check_authority_calls()
        if host:
            with self.phase("verify that nginx serves the renewed certificate, reloaded by evercert agent"):
                host.require_served(APP, self.secret(APP, "AWSCURRENT")["certificate"])
        if self.acme:
            demo_acme.show(self, self.outputs["ResponderAddress"])
        with self.phase("evercert list and evercert history"):
            self.evercert("list")
            self.evercert("history", WEB.name)
            self.evercert("history", APP.name)

    def set_up_authority(self) -> str:
        """Create CAs, a profile and an identity for the issuer function's role with `evercert`; return the identity's id."""
        self.authority: LocalAuthority = self.resources.enter_context(serve_authority(self.running, self.outputs))
        identity = set_up(self.evercert, self.outputs["IssuerRole"])
        say(
            f"the authority runs at {self.authority.address}; only the issuer function's role can log in as identity {identity}"
        )
        self.check_root()
        return identity

    def apply_agent_document(self) -> None:
        """Apply the agent document unchanged, in an environment that trusts the authority's TLS certificate."""
        folder = Path(self.resources.enter_context(tempfile.TemporaryDirectory()))
        document = with_address(ROOT / AGENT_DOCUMENT, self.authority.address, folder)
        trust = trust_environment(self.authority.ca_bundle, folder)
        self.evercert("apply", str(document), "--no-nudge", INFISICAL_MACHINE_IDENTITY_ID=self.identity, **trust)

    def host(self) -> DemoHost | None:
        """Return a host with nginx, if nginx is installed."""
        return DemoHost(self, ROOT / AGENT_DOCUMENT, self.resources) if has_nginx() else None

    def check_authority_calls(self) -> None:
        logins, issued = (
            self.authority.count("/auth/aws-auth/login"),
            self.authority.count("/cert-manager/certificates"),
        )
        require(logins > 0, "the authority received no AWS IAM login")
        say(
            f"AWS IAM logins of the issuer function's role at the authority: {logins} (one for each process of the function)"
        )
        rows = self.client("dynamodb").scan(TableName=self.outputs["AuthorityLedger"], ConsistentRead=True)["Items"]
        results = [row["pk"]["S"] for row in rows if row["sk"]["S"] == "result"]
        signed = sum(not pk.startswith("order#crl:") for pk in results)  # `init` publishes a CRL of each CA
        say(f"requests for certificates at the authority: {issued}; certificates in the signer's ledger: {signed}")
        require(signed == 2, f"the signer signed {signed} certificates: expected 2, as in the secret")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--verbose", action="store_true", help="print commands, events and the output of openssl")
    verbose = parser.parse_args().verbose
    began = time.monotonic()
    try:
        with emulator() as running, ExitStack() as resources:
            demo = Demo(running, resources, verbose=verbose)
            print(f"local AWS at {running.url}, IAM enforced; documents: {DOCUMENT}, {AGENT_DOCUMENT}", flush=True)
            demo.run()
    except (CheckFailed, NotRunning) as error:
        print(f"\nDEMO FAILED: {error}", file=sys.stderr)
        return 1
    for title, seconds in demo.phases:  # of a verbose run
        print(f"{seconds:6.1f} s  {title}")
    print(f"{time.monotonic() - began:6.1f} s  total: all checks passed; stopped the local AWS\n")
    print("\n".join(timeline.lines(demo.received)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
