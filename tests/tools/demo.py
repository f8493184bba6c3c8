"""`make demo`: issue and renew two certificates on a local stack, and verify them with openssl.

One certificate is self-signed. The stack's own authority, with keys in KMS, issues the other one from a document of the
Infisical agent: over HTTPS, with AWS IAM login. The demo deploys the stack, sets up the authority as an operator would,
and applies both documents. It invokes no function and writes no record: the stack's schedule starts all work.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from tests.tools.local_authority import LocalAuthority, choose_address, serve_authority, set_up
from tests.tools.local_infisical import trust_environment, with_address
from tests.tools.local_stack import ROOT, Emulator, NotRunning, build, client_arguments, deploy, emulator
from tests.tools.openssl import CheckFailed, openssl, public_key_of, require, verify

DOCUMENT, AGENT_DOCUMENT = "examples/web.yaml", "examples/agent.yaml"
TYPES = ["certificate.issued", "certificate.renewed"]


@dataclass(frozen=True)
class Example:
    """Certificate of the demo with its expected names; `events` holds received events that are not yet shown."""

    name: str
    names: tuple[str, ...]
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def secret(self) -> str:
        return f"evercert/certificates/{self.name}"


WEB = Example("web", ("DNS:www.example.com", "DNS:example.com", "IP Address:192.0.2.10"))
APP = Example("app.example.com", ("DNS:app.example.com", "DNS:www.app.example.com"))


class Demo:
    """One run of the demo; measures the time of every phase."""

    def __init__(self, running: Emulator, resources: ExitStack) -> None:
        self.running, self.resources = running, resources
        self.phases: list[tuple[str, float]] = []

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        print(f"\n== {title}", flush=True)
        began = time.monotonic()
        yield
        self.phases.append((title, time.monotonic() - began))

    def run(self) -> None:
        with self.phase("sam build"):
            build()
            say("built the functions and layers")
        with self.phase("sam deploy"):
            self.outputs = deploy(self.running, AuthorityAddress=choose_address())
            say(f"deployed the stack: {len(self.outputs)} outputs, topic {self.outputs['Topic'].rsplit(':', 1)[-1]}")
        self.connect()
        with self.phase("set up the stack's certificate authority"):
            self.identity = self.set_up_authority()
        with self.phase(f"evercert apply {DOCUMENT}"):
            self.evercert("apply", DOCUMENT, "--no-nudge")
        with self.phase(f"evercert apply {AGENT_DOCUMENT}"):
            self.apply_agent_document()
        with self.phase("wait for the schedule to issue both certificates"):
            issued, by_authority = self.next_event(WEB, TYPES[0]), self.next_event(APP, TYPES[0])
        with self.phase("verify the self-signed certificate in Secrets Manager and ACM"):
            first = self.secret(WEB, "AWSCURRENT")
            check_with_openssl(WEB, first, issued)
            arn = self.check_acm(first, issued)
        with self.phase("verify the authority's certificate in Secrets Manager"):
            self.check_issuer(first_of_app := self.secret(APP, "AWSCURRENT"), by_authority)
        with self.phase("wait for the schedule to renew both certificates"):
            renewed, again = self.next_event(WEB, TYPES[1]), self.next_event(APP, TYPES[1])
        with self.phase("verify the renewed self-signed certificate"):
            self.compare(WEB, first, issued, renewed)
            require(
                self.check_acm(self.secret(WEB, "AWSCURRENT"), renewed) == arn,
                "the renewed certificate has a different ARN in ACM",
            )
            say("same ARN in ACM: yes")
        with self.phase("verify the authority's renewed certificate"):
            self.compare(APP, first_of_app, by_authority, again)
            self.check_issuer(self.secret(APP, "AWSCURRENT"), again)
            self.check_authority_calls()
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
        self.root = self.evercert("authority", "ca", "show", "root", "--pem")
        (ca,) = (one for one in json.loads(self.evercert("authority", "ca", "list", "--json")) if one["kind"] == "root")
        in_kms = self.kms.get_public_key(KeyId=ca["key"])["PublicKey"]
        of_root = openssl(
            "pkey", "-pubin", "-outform", "PEM", given=openssl("x509", "-noout", "-pubkey", given=self.root)
        )
        require(pem_of(in_kms) == of_root, "the root certificate's public key differs from the key in KMS")
        say(f"the root's private key is in KMS and cannot be exported: {ca['key']}")
        return identity

    def apply_agent_document(self) -> None:
        """Apply the agent document unchanged, in an environment that trusts the authority's TLS certificate."""
        folder = Path(self.resources.enter_context(tempfile.TemporaryDirectory()))
        document = with_address(ROOT / AGENT_DOCUMENT, self.authority.address, folder)
        trust = trust_environment(self.authority.ca_bundle, folder)
        self.evercert("apply", str(document), "--no-nudge", INFISICAL_MACHINE_IDENTITY_ID=self.identity, **trust)

    def connect(self) -> None:
        """Create AWS clients, and a queue subscribed to the topic with a filter policy."""
        arguments = client_arguments(self.running)
        self.sqs = boto3.client("sqs", **arguments)
        self.secrets = boto3.client("secretsmanager", **arguments)
        self.acm = boto3.client("acm", **arguments)
        self.kms = boto3.client("kms", **arguments)
        self.dynamodb = boto3.client("dynamodb", **arguments)
        self.queue = self.sqs.create_queue(QueueName="demo-subscriber")["QueueUrl"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])
        arn, topic = found["Attributes"]["QueueArn"], self.outputs["Topic"]
        allow = {
            "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }  # fmt: skip
        access = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        self.sqs.set_queue_attributes(QueueUrl=self.queue, Attributes={"Policy": access})
        policy = {"certificate": [WEB.name, APP.name], "type": TYPES}
        boto3.client("sns", **arguments).subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=arn,
            Attributes={"RawMessageDelivery": "true", "FilterPolicy": json.dumps(policy)},
        )  # fmt: skip

    def evercert(self, *arguments: str, **environment: str) -> str:
        """Run `evercert` as an operator would; return its standard output."""
        command = [str(ROOT / ".venv" / "bin" / "evercert"), *arguments]
        values = {"PATH": "/usr/bin:/bin", "COLUMNS": "120", **self.running.environment, **environment}
        done = subprocess.run(command, cwd=ROOT, env=values, capture_output=True, text=True, timeout=60, check=False)
        say(f"$ evercert {' '.join(arguments)}")
        say((done.stdout + done.stderr).rstrip())
        require(done.returncode == 0, f"evercert {arguments[0]} failed with exit code {done.returncode}")
        return done.stdout

    def next_event(self, about: Example, kind: str, seconds: int = 90) -> dict[str, Any]:
        """Wait for the next event of a certificate, with progress output; keep events of the other certificate."""
        began = time.monotonic()
        shown = 0
        while not about.events and time.monotonic() - began < seconds:
            for message in self.sqs.receive_message(QueueUrl=self.queue, WaitTimeSeconds=1).get("Messages", []):
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
                event: dict[str, Any] = json.loads(message["Body"])
                next(one for one in (WEB, APP) if one.name == event["subject"]).events.append(event)
            if (waited := int(time.monotonic() - began)) >= shown + 5:
                shown = waited
                say(f"... waiting for event {kind} for {about.name}: {waited} s")
        if not about.events:
            raise CheckFailed(
                f"no event {kind} for {about.name} within {seconds} s; "
                f"end of the local stack's log:\n{self.running.log()[-1500:]}"
            )
        event = about.events.pop(0)
        require(event["type"] == kind, f"unexpected event {event['type']} for {about.name}: expected {kind}")
        say(f"received after {time.monotonic() - began:.0f} s: {json.dumps(event, indent=2)}")
        return event

    def secret(self, about: Example, stage: str) -> dict[str, Any]:
        """Return one version of the secret, with its ARN and version id."""
        found = self.secrets.get_secret_value(SecretId=about.secret, VersionStage=stage)
        value: dict[str, Any] = json.loads(found["SecretString"])
        say(f"{stage}: version {found['VersionId']}, serial {value['serial_number']}, until {value['not_after']}")
        return {**value, "arn": found["ARN"], "version": found["VersionId"]}

    def check_issuer(self, value: dict[str, Any], event: dict[str, Any]) -> None:
        """Verify the certificate, and that its chain ends at the root whose key is in KMS."""
        check_with_openssl(APP, value, event)
        result = verify(value["certificate"], trusted=self.root, chain=value["fullchain"])
        say(f"openssl verify with the chain in the secret and the authority's root: {result}")

    def check_authority_calls(self) -> None:
        logins, issued = (
            self.authority.count("/auth/aws-auth/login"),
            self.authority.count("/cert-manager/certificates"),
        )
        require(logins > 0, "the authority received no AWS IAM login")
        say(
            f"AWS IAM logins of the issuer function's role at the authority: {logins} (one for each process of the function)"
        )
        rows = self.dynamodb.scan(TableName=self.outputs["AuthorityLedger"], ConsistentRead=True)["Items"]
        results = [row["pk"]["S"] for row in rows if row["sk"]["S"] == "result"]
        signed = sum(not pk.startswith("order#crl:") for pk in results)  # `init` publishes a CRL of each CA
        say(f"requests for certificates at the authority: {issued}; certificates in the signer's ledger: {signed}")
        require(signed == 2, f"the signer signed {signed} certificates: expected 2, as in the secret")

    def check_acm(self, value: dict[str, Any], event: dict[str, Any]) -> str:
        """Check that ACM and the secret hold the same certificate; return its ARN, which the event names."""
        (arn,) = (part["location"] for part in event["data"]["locations"] if ":acm:" in part["location"])
        pem = self.acm.get_certificate(CertificateArn=arn)["Certificate"]
        serial = openssl("x509", "-noout", "-serial", given=pem).strip()
        say(f"{arn}: {serial}")
        require(serial == f"serial={value['serial_number']}", "ACM and the secret hold different certificates")
        return arn

    def compare(self, about: Example, first: dict[str, Any], issued: dict[str, Any], renewed: dict[str, Any]) -> None:
        current, previous = self.secret(about, "AWSCURRENT"), self.secret(about, "AWSPREVIOUS")
        check_with_openssl(about, current, renewed)
        require(current["arn"] == first["arn"], "the renewed certificate is in a different secret")
        say("same secret: yes")
        require(current["serial_number"] != first["serial_number"], "the serial number did not change")
        say("new serial number: yes")
        require(public_key_of(current["private_key"]) != public_key_of(first["private_key"]), "the key did not change")
        say("new private key: yes")
        require(previous["serial_number"] == first["serial_number"], "AWSPREVIOUS is not the previous certificate")
        say("previous certificate readable as AWSPREVIOUS: yes")
        previous_serial = renewed["data"]["previous"]["serial_number"]
        require(previous_serial == issued["data"]["serial_number"], "the event names a wrong previous certificate")
        say("the event names the previous certificate: yes")


def check_with_openssl(about: Example, value: dict[str, Any], event: dict[str, Any]) -> None:
    """Verify names, serial number and private key of a certificate with openssl."""
    wanted = ("-noout", "-subject", "-serial", "-startdate", "-enddate", "-ext", "subjectAltName,extendedKeyUsage")
    text = openssl("x509", *wanted, given=value["certificate"])
    say(text.rstrip())
    for name in about.names:
        require(name in text, f"the certificate lacks the name {name}")
    require(f"serial={value['serial_number']}" in text, "secret and certificate have different serial numbers")
    require(value["serial_number"] == event["data"]["serial_number"], "the event describes a different certificate")
    of_certificate = openssl("x509", "-noout", "-pubkey", given=value["certificate"])
    require(of_certificate == public_key_of(value["private_key"]), "the private key does not match the certificate")
    result = verify(value["certificate"], trusted=value["certificate"])
    say(f"openssl verify: {result}; the private key matches the certificate: yes")


def pem_of(der: bytes) -> str:
    """Return a public key as PEM in the form of openssl."""
    done = subprocess.run(
        ["openssl", "pkey", "-pubin", "-inform", "DER"], input=der, capture_output=True, timeout=20, check=False
    )
    require(done.returncode == 0, "openssl cannot read the public key from KMS")
    return done.stdout.decode()


def say(text: str) -> None:
    print("\n".join(f"   {line}" for line in text.splitlines()), flush=True)


def main() -> int:
    began = time.monotonic()
    try:
        with emulator() as running, ExitStack() as resources:
            demo = Demo(running, resources)
            print(f"the local AWS runs at {running.url} and enforces IAM (documents: {DOCUMENT}, {AGENT_DOCUMENT})")
            demo.run()
    except (CheckFailed, NotRunning) as error:
        print(f"\nDEMO FAILED: {error}", file=sys.stderr)
        return 1
    print("\n== all checks passed; stopped the local AWS")
    for title, seconds in demo.phases:
        print(f"   {seconds:6.1f} s  {title}")
    print(f"   {time.monotonic() - began:6.1f} s  total")
    return 0


if __name__ == "__main__":
    sys.exit(main())
