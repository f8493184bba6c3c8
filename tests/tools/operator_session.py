"""Steps of an operator and a subscriber of one stack, checked with openssl; `make demo` and `make acceptance` share them."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.tools.local_stack import ROOT
from tests.tools.openssl import CheckFailed, openssl, public_key_of, require, verify
from tests.tools.timeline import Received

TYPES = ["certificate.issued", "certificate.renewed"]


@dataclass(frozen=True)
class Example:
    """Certificate with its expected names; `events` holds received events that are not yet shown."""

    name: str
    names: tuple[str, ...] = ()
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def secret(self) -> str:
        return f"evercert/certificates/{self.name}"


class OperatorSession:
    """One run against one stack; measures the time of every phase."""

    command_seconds = 60

    def __init__(self, client: Callable[[str], Any], environment: Mapping[str, str], examples: list[Example]) -> None:
        self.client, self.environment, self.examples = client, environment, examples
        self.phases: list[tuple[str, float]] = []
        self.received: list[Received] = []

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        print(f"\n== {title}", flush=True)
        began = time.monotonic()
        yield
        self.phases.append((title, time.monotonic() - began))

    def log(self) -> str:
        """Return what helps to explain a missing event."""
        return ""

    def evercert(self, *arguments: str, code: int = 0, **environment: str) -> str:
        """Run `evercert` as an operator would; return its standard output."""
        command = [str(ROOT / ".venv" / "bin" / "evercert"), *arguments]
        values = {"COLUMNS": "120", **self.environment, **environment}
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=values,
            capture_output=True,
            text=True,
            timeout=self.command_seconds,
            check=False,
            start_new_session=True,  # Ctrl-C ends the run, which then needs the command to clean up
        )
        say(f"$ evercert {' '.join(arguments)}")
        say((done.stdout + done.stderr).rstrip())
        said = done.stderr[-1_000:].strip()
        require(
            done.returncode == code,
            f"evercert {arguments[0]} ended with exit code {done.returncode}, not {code}: {said}",
        )
        return done.stdout

    def subscribe(self, topic: str, queue: str, types: list[str], tags: Mapping[str, str] | None = None) -> None:
        """Create a queue and subscribe it to the topic, with a filter policy."""
        sqs = self.client("sqs")
        self.queue = sqs.create_queue(QueueName=queue, tags=dict(tags or {}))["QueueUrl"]
        found = sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])
        arn = found["Attributes"]["QueueArn"]
        allow = {
            "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }  # fmt: skip
        access = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        sqs.set_queue_attributes(QueueUrl=self.queue, Attributes={"Policy": access})
        policy = {"certificate": [example.name for example in self.examples], "type": types}
        self.client("sns").subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=arn,
            Attributes={"RawMessageDelivery": "true", "FilterPolicy": json.dumps(policy)},
        )  # fmt: skip

    def next_event(self, about: Example, kind: str, seconds: int = 90) -> dict[str, Any]:
        """Wait for the next event of a certificate, with progress output; keep events of the other certificates."""
        began = time.monotonic()
        shown = 0
        sqs = self.client("sqs")
        while not about.events and time.monotonic() - began < seconds:
            for message in sqs.receive_message(QueueUrl=self.queue, WaitTimeSeconds=1).get("Messages", []):
                sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
                event: dict[str, Any] = json.loads(message["Body"])
                self.received.append(Received(event, datetime.now(UTC)))
                next(one for one in self.examples if one.name == event["subject"]).events.append(event)
            if (waited := int(time.monotonic() - began)) >= shown + 5:
                shown = waited
                say(f"... waiting for event {kind} for {about.name}: {waited} s")
        if not about.events:
            raise CheckFailed(f"no event {kind} for {about.name} within {seconds} s{self.log()}")
        event = about.events.pop(0)
        require(event["type"] == kind, f"unexpected event {event['type']} for {about.name}: expected {kind}")
        say(f"received after {time.monotonic() - began:.0f} s: {json.dumps(event, indent=2)}")
        return event

    def secret(self, about: Example, stage: str) -> dict[str, Any]:
        """Return one version of the secret, with its ARN and version id."""
        found = self.client("secretsmanager").get_secret_value(SecretId=about.secret, VersionStage=stage)
        value: dict[str, Any] = json.loads(found["SecretString"])
        say(f"{stage}: version {found['VersionId']}, serial {value['serial_number']}, until {value['not_after']}")
        return {**value, "arn": found["ARN"], "version": found["VersionId"]}

    def check_acm(self, value: dict[str, Any], event: dict[str, Any]) -> str:
        """Check that ACM and the secret hold the same certificate; return its ARN, which the event names."""
        (arn,) = (part["location"] for part in event["data"]["locations"] if ":acm:" in part["location"])
        pem = self.client("acm").get_certificate(CertificateArn=arn)["Certificate"]
        serial = openssl("x509", "-noout", "-serial", given=pem).strip()
        say(f"{arn}: {serial}")
        require(serial == f"serial={value['serial_number']}", "ACM and the secret hold different certificates")
        return arn

    def check_issuer(self, about: Example, value: dict[str, Any], event: dict[str, Any]) -> None:
        """Verify the certificate, and that its chain ends at the root whose key is in KMS."""
        check_with_openssl(about, value, event)
        result = verify(value["certificate"], trusted=self.root, chain=value["fullchain"])
        say(f"openssl verify with the chain in the secret and the authority's root: {result}")

    def check_root(self) -> None:
        """Read the authority's root certificate; check that its key is in KMS."""
        self.root = self.evercert("authority", "ca", "show", "root", "--pem")
        (ca,) = (one for one in json.loads(self.evercert("authority", "ca", "list", "--json")) if one["kind"] == "root")
        in_kms = self.client("kms").get_public_key(KeyId=ca["key"])["PublicKey"]
        of_root = openssl(
            "pkey", "-pubin", "-outform", "PEM", given=openssl("x509", "-noout", "-pubkey", given=self.root)
        )
        require(pem_of(in_kms) == of_root, "the root certificate's public key differs from the key in KMS")
        say(f"the root's private key is in KMS and cannot be exported: {ca['key']}")

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


def say(text: str) -> None:
    print("\n".join(f"   {line}" for line in text.splitlines()), flush=True)


def pem_of(der: bytes) -> str:
    """Return a public key as PEM in the form of openssl."""
    done = subprocess.run(
        ["openssl", "pkey", "-pubin", "-inform", "DER"], input=der, capture_output=True, timeout=20, check=False
    )
    require(done.returncode == 0, "openssl cannot read the public key from KMS")
    return done.stdout.decode()
