"""`make demo`: two certificates issued and renewed by the schedule of a local stack, and checked with openssl.

One signs itself. The other comes from the stack's own authority, whose keys are in KMS, by a document of the Infisical
agent: over HTTP, logged in by AWS IAM. It deploys, sets the authority up as an operator does, applies both documents and
looks; it invokes no function and writes no record: the schedule does the work.
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

from tests.tools.local_authority import LocalAuthority, chosen_address, set_up, within_reach
from tests.tools.local_infisical import addressed, trusted
from tests.tools.local_stack import ROOT, Emulator, NotRunning, build, client_arguments, deploy, emulator
from tests.tools.openssl import CheckFailed, openssl, public_key_of, require, verified

DOCUMENT, AGENT_DOCUMENT = "examples/web.yaml", "examples/agent.yaml"
TYPES = ["certificate.issued", "certificate.renewed"]


@dataclass(frozen=True)
class Shown:
    """A certificate of the demo, and the names that have to be in it; `events` is what was received and not yet shown."""

    name: str
    names: tuple[str, ...]
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def secret(self) -> str:
        return f"evercert/certificates/{self.name}"


WEB = Shown("web", ("DNS:www.example.com", "DNS:example.com", "IP Address:192.0.2.10"))
APP = Shown("app.example.com", ("DNS:app.example.com", "DNS:www.app.example.com"))


class Demo:
    """One run; every phase is timed, every finding is checked."""

    def __init__(self, running: Emulator, ends: ExitStack) -> None:
        self.running, self.ends = running, ends  # of what is started on the way
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
            say("functions and layers are built")
        with self.phase("sam deploy"):
            self.outputs = deploy(self.running, AuthorityAddress=chosen_address())
            say(f"{len(self.outputs)} outputs, among them topic {self.outputs['Topic'].rsplit(':', 1)[-1]}")
        self.connect()
        with self.phase("a certificate authority of one's own"):
            self.identity = self.set_up_authority()
        with self.phase(f"evercert apply {DOCUMENT}"):
            self.evercert("apply", DOCUMENT, "--no-nudge")
        with self.phase(f"evercert apply {AGENT_DOCUMENT}"):
            self.apply_agent_document()
        with self.phase("the schedule issues"):
            issued, by_authority = self.next_event(WEB, TYPES[0]), self.next_event(APP, TYPES[0])
        with self.phase("what is in the secret, and in ACM"):
            first = self.secret(WEB, "AWSCURRENT")
            check_with_openssl(WEB, first, issued)
            arn = self.in_acm(first, issued)
        with self.phase("what is in the secret of the certificate from the authority"):
            self.check_issuer(first_of_app := self.secret(APP, "AWSCURRENT"), by_authority)
        with self.phase("the schedule renews"):
            renewed, again = self.next_event(WEB, TYPES[1]), self.next_event(APP, TYPES[1])
        with self.phase("what is in the secret now, and in ACM"):
            self.compare(WEB, first, issued, renewed)
            require(
                self.in_acm(self.secret(WEB, "AWSCURRENT"), renewed) == arn, "the renewed certificate has another ARN"
            )
            say("same ARN in ACM: yes")
        with self.phase("what is in the secret of the certificate from the authority now"):
            self.compare(APP, first_of_app, by_authority, again)
            self.check_issuer(self.secret(APP, "AWSCURRENT"), again)
            self.what_the_authority_saw()
        with self.phase("evercert list, and evercert history"):
            self.evercert("list")
            self.evercert("history", WEB.name)
            self.evercert("history", APP.name)

    def set_up_authority(self) -> str:
        """CAs, a profile, and an identity for the issuer's role, all by the command; answers the identity's id."""
        self.authority: LocalAuthority = self.ends.enter_context(within_reach(self.running, self.outputs))
        identity = set_up(self.evercert, self.outputs["IssuerRole"])
        say(
            f"the authority is up at {self.authority.address}; identity {identity} is the issuer's role and nobody else"
        )
        self.root = self.evercert("authority", "ca", "show", "root", "--pem")
        (ca,) = (one for one in json.loads(self.evercert("authority", "ca", "list", "--json")) if one["kind"] == "root")
        in_kms = self.kms.get_public_key(KeyId=ca["key"])["PublicKey"]
        of_root = openssl(
            "pkey", "-pubin", "-outform", "PEM", given=openssl("x509", "-noout", "-pubkey", given=self.root)
        )
        require(pem_of(in_kms) == of_root, "the root's key is not the one in KMS")
        say(f"the root's key is in KMS, and never left it: {ca['key']}")
        return identity

    def apply_agent_document(self) -> None:
        """As it is; the host that it is applied on trusts the authority's TLS, as one that runs the agent would."""
        folder = Path(self.ends.enter_context(tempfile.TemporaryDirectory()))
        document = addressed(ROOT / AGENT_DOCUMENT, self.authority.address, folder)
        trust = trusted(self.authority.ca_bundle, folder)
        self.evercert("apply", str(document), "--no-nudge", INFISICAL_MACHINE_IDENTITY_ID=self.identity, **trust)

    def connect(self) -> None:
        """Clients, and a subscriber queue with a filter policy."""
        arguments = client_arguments(self.running)
        self.sqs = boto3.client("sqs", **arguments)
        self.secrets = boto3.client("secretsmanager", **arguments)
        self.acm = boto3.client("acm", **arguments)
        self.kms = boto3.client("kms", **arguments)
        self.dynamodb = boto3.client("dynamodb", **arguments)
        self.inbox = self.sqs.create_queue(QueueName="demo-subscriber")["QueueUrl"]
        asked = self.sqs.get_queue_attributes(QueueUrl=self.inbox, AttributeNames=["QueueArn"])
        arn, topic = asked["Attributes"]["QueueArn"], self.outputs["Topic"]
        allow = {
            "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }  # fmt: skip
        access = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        self.sqs.set_queue_attributes(QueueUrl=self.inbox, Attributes={"Policy": access})
        policy = {"certificate": [WEB.name, APP.name], "type": TYPES}
        boto3.client("sns", **arguments).subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=arn,
            Attributes={"RawMessageDelivery": "true", "FilterPolicy": json.dumps(policy)},
        )  # fmt: skip

    def evercert(self, *arguments: str, **environment: str) -> str:
        """The command, as an operator runs it; answers what it says on standard output."""
        command = [str(ROOT / ".venv" / "bin" / "evercert"), *arguments]
        values = {"PATH": "/usr/bin:/bin", "COLUMNS": "120", **self.running.environment, **environment}
        done = subprocess.run(command, cwd=ROOT, env=values, capture_output=True, text=True, timeout=60, check=False)
        say(f"$ evercert {' '.join(arguments)}")
        say((done.stdout + done.stderr).rstrip())
        require(done.returncode == 0, f"evercert {arguments[0]} ended with {done.returncode}")
        return done.stdout

    def next_event(self, about: Shown, kind: str, seconds: int = 90) -> dict[str, Any]:
        """Waits for the subscriber to receive it, and shows that it waits; what is about the other one is kept."""
        began = time.monotonic()
        shown = 0
        while not about.events and time.monotonic() - began < seconds:
            for message in self.sqs.receive_message(QueueUrl=self.inbox, WaitTimeSeconds=1).get("Messages", []):
                self.sqs.delete_message(QueueUrl=self.inbox, ReceiptHandle=message["ReceiptHandle"])
                event: dict[str, Any] = json.loads(message["Body"])
                next(one for one in (WEB, APP) if one.name == event["subject"]).events.append(event)
            if (waited := int(time.monotonic() - began)) >= shown + 5:
                shown = waited
                say(f"... waiting for {kind} of {about.name}: {waited} s")
        if not about.events:
            raise CheckFailed(
                f"no {kind} of {about.name} within {seconds} s; "
                f"the log of the local stack ends with:\n{self.running.log()[-1500:]}"
            )
        event = about.events.pop(0)
        require(event["type"] == kind, f"the event about {about.name} is {event['type']}, not {kind}")
        say(f"received after {time.monotonic() - began:.0f} s: {json.dumps(event, indent=2)}")
        return event

    def secret(self, about: Shown, stage: str) -> dict[str, Any]:
        """One version, with its ARN and version id."""
        found = self.secrets.get_secret_value(SecretId=about.secret, VersionStage=stage)
        value: dict[str, Any] = json.loads(found["SecretString"])
        say(f"{stage}: version {found['VersionId']}, serial {value['serial_number']}, until {value['not_after']}")
        return {**value, "arn": found["ARN"], "version": found["VersionId"]}

    def check_issuer(self, value: dict[str, Any], event: dict[str, Any]) -> None:
        """The certificate, and that its chain ends at the root whose key is in KMS."""
        check_with_openssl(APP, value, event)
        answer = verified(value["certificate"], trusted=self.root, chain=value["fullchain"])
        say(f"openssl verify, by the chain in the secret and the authority's root: {answer}")

    def what_the_authority_saw(self) -> None:
        logins, issued = (
            self.authority.count("/auth/aws-auth/login"),
            self.authority.count("/cert-manager/certificates"),
        )
        require(logins > 0, "nobody logged in by AWS IAM")
        say(f"the authority let the issuer's role in {logins} times by AWS IAM (once for each process of the function)")
        rows = self.dynamodb.scan(TableName=self.outputs["AuthorityLedger"], ConsistentRead=True)["Items"]
        results = [row["pk"]["S"] for row in rows if row["sk"]["S"] == "result"]
        signed = sum(not pk.startswith("order#crl:") for pk in results)  # `init` had a revocation list of each CA made
        say(f"it was asked {issued} times for certificates, and the signer's ledger has {signed} of them")
        require(signed == 2, f"the signer signed {signed} certificates, and the secret has two")

    def in_acm(self, value: dict[str, Any], event: dict[str, Any]) -> str:
        """The ARN that the event names; the certificate there is the one in the secret."""
        (arn,) = (part["location"] for part in event["data"]["locations"] if ":acm:" in part["location"])
        pem = self.acm.get_certificate(CertificateArn=arn)["Certificate"]
        serial = openssl("x509", "-noout", "-serial", given=pem).strip()
        say(f"{arn}: {serial}")
        require(serial == f"serial={value['serial_number']}", "ACM holds another certificate than the secret")
        return arn

    def compare(self, about: Shown, first: dict[str, Any], issued: dict[str, Any], renewed: dict[str, Any]) -> None:
        current, previous = self.secret(about, "AWSCURRENT"), self.secret(about, "AWSPREVIOUS")
        check_with_openssl(about, current, renewed)
        require(current["arn"] == first["arn"], "the renewed certificate is in another secret")
        say("same secret: yes")
        require(current["serial_number"] != first["serial_number"], "the serial number is the same")
        say("new serial number: yes")
        require(public_key_of(current["private_key"]) != public_key_of(first["private_key"]), "the key is the same")
        say("new private key: yes")
        require(previous["serial_number"] == first["serial_number"], "AWSPREVIOUS is not the certificate before")
        say("the one before is readable as AWSPREVIOUS: yes")
        told = renewed["data"]["previous"]["serial_number"]
        require(told == issued["data"]["serial_number"], "the event names another certificate before it")
        say("the event names the certificate before it: yes")


def check_with_openssl(about: Shown, value: dict[str, Any], event: dict[str, Any]) -> None:
    """Names, dates, and the key that belongs to the certificate, as openssl sees them."""
    wanted = ("-noout", "-subject", "-serial", "-startdate", "-enddate", "-ext", "subjectAltName,extendedKeyUsage")
    text = openssl("x509", *wanted, given=value["certificate"])
    say(text.rstrip())
    for name in about.names:
        require(name in text, f"{name} is missing")
    require(f"serial={value['serial_number']}" in text, "the secret's serial number is not the certificate's")
    require(value["serial_number"] == event["data"]["serial_number"], "the event tells of another certificate")
    of_certificate = openssl("x509", "-noout", "-pubkey", given=value["certificate"])
    require(of_certificate == public_key_of(value["private_key"]), "the private key is not the certificate's")
    answer = verified(value["certificate"], trusted=value["certificate"])
    say(f"openssl verify: {answer}; the private key belongs to the certificate: yes")


def pem_of(der: bytes) -> str:
    """A public key, as openssl writes it."""
    done = subprocess.run(
        ["openssl", "pkey", "-pubin", "-inform", "DER"], input=der, capture_output=True, timeout=20, check=False
    )
    require(done.returncode == 0, "KMS's public key is none to openssl")
    return done.stdout.decode()


def say(text: str) -> None:
    print("\n".join(f"   {line}" for line in text.splitlines()), flush=True)


def main() -> int:
    began = time.monotonic()
    try:
        with emulator() as running, ExitStack() as ends:
            demo = Demo(running, ends)
            print(f"the local AWS is up at {running.url}, with IAM enforced (documents: {DOCUMENT}, {AGENT_DOCUMENT})")
            demo.run()
    except (CheckFailed, NotRunning) as error:
        print(f"\nDEMO FAILED: {error}", file=sys.stderr)
        return 1
    print("\n== all checks passed; the local AWS is stopped")
    for title, seconds in demo.phases:
        print(f"   {seconds:6.1f} s  {title}")
    print(f"   {time.monotonic() - began:6.1f} s  in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
