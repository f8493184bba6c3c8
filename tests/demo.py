"""`make demo`: a certificate issued and renewed by the schedule of a local stack, and checked with openssl.

It deploys, applies one document and looks; it invokes no function and writes no record: the schedule does the work.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from tests.local_stack import ROOT, Emulator, NotRunning, build, client_arguments, deploy, emulator

DOCUMENT = "examples/web.yaml"
SECRET = "evercert/certificates/web"
FILTER = {"certificate": ["web"], "type": ["certificate.issued", "certificate.renewed"]}


class CheckFailed(Exception):
    """Something is not as it should be; the message says what."""


class Demo:
    """One run; every phase is timed, every finding is checked."""

    def __init__(self, running: Emulator) -> None:
        self.running = running
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
            self.outputs = deploy(self.running)
            say(f"{len(self.outputs)} outputs, among them topic {self.outputs['Topic'].rsplit(':', 1)[-1]}")
        self.connect()
        with self.phase(f"evercert apply {DOCUMENT}"):
            self.evercert("apply", DOCUMENT, "--no-nudge")
        with self.phase("the schedule issues"):
            issued = self.next_event("certificate.issued")
        with self.phase("what is in the secret, and in ACM"):
            first = self.secret("AWSCURRENT")
            check_with_openssl(first, issued)
            arn = self.in_acm(first, issued)
        with self.phase("the schedule renews"):
            renewed = self.next_event("certificate.renewed")
        with self.phase("what is in the secret now, and in ACM"):
            self.compare(first, issued, renewed)
            require(self.in_acm(self.secret("AWSCURRENT"), renewed) == arn, "the renewed certificate has another ARN")
            say("same ARN in ACM: yes")
        with self.phase("evercert list, and evercert history web"):
            self.evercert("list")
            self.evercert("history", "web")

    def connect(self) -> None:
        """Clients, and a subscriber queue with a filter policy."""
        arguments = client_arguments(self.running)
        self.sqs = boto3.client("sqs", **arguments)
        self.secrets = boto3.client("secretsmanager", **arguments)
        self.acm = boto3.client("acm", **arguments)
        self.inbox = self.sqs.create_queue(QueueName="demo-subscriber")["QueueUrl"]
        asked = self.sqs.get_queue_attributes(QueueUrl=self.inbox, AttributeNames=["QueueArn"])
        arn, topic = asked["Attributes"]["QueueArn"], self.outputs["Topic"]
        allow = {
            "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }  # fmt: skip
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        self.sqs.set_queue_attributes(QueueUrl=self.inbox, Attributes={"Policy": policy})
        boto3.client("sns", **arguments).subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=arn,
            Attributes={"RawMessageDelivery": "true", "FilterPolicy": json.dumps(FILTER)},
        )  # fmt: skip

    def evercert(self, *arguments: str) -> None:
        """The command, as an operator runs it."""
        command = [str(ROOT / ".venv" / "bin" / "evercert"), *arguments]
        environment = {"PATH": "/usr/bin:/bin", "COLUMNS": "120", **self.running.environment}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        say((done.stdout + done.stderr).rstrip())
        require(done.returncode == 0, f"evercert {arguments[0]} ended with {done.returncode}")

    def next_event(self, kind: str, seconds: int = 90) -> dict[str, Any]:
        """Waits for the subscriber to receive it, and shows that it waits."""
        began = time.monotonic()
        shown = 0
        while time.monotonic() - began < seconds:
            for message in self.sqs.receive_message(QueueUrl=self.inbox, WaitTimeSeconds=1).get("Messages", []):
                self.sqs.delete_message(QueueUrl=self.inbox, ReceiptHandle=message["ReceiptHandle"])
                event: dict[str, Any] = json.loads(message["Body"])
                require(event["type"] == kind, f"the event is {event['type']}, not {kind}")
                say(f"received after {time.monotonic() - began:.0f} s: {json.dumps(event, indent=2)}")
                return event
            if (waited := int(time.monotonic() - began)) >= shown + 5:
                shown = waited
                say(f"... waiting for {kind}: {waited} s")
        raise CheckFailed(
            f"no {kind} within {seconds} s; the log of the local stack ends with:\n{self.running.log()[-1500:]}"
        )

    def secret(self, stage: str) -> dict[str, Any]:
        """One version, with its ARN and version id."""
        found = self.secrets.get_secret_value(SecretId=SECRET, VersionStage=stage)
        value: dict[str, Any] = json.loads(found["SecretString"])
        say(f"{stage}: version {found['VersionId']}, serial {value['serial_number']}, until {value['not_after']}")
        return {**value, "arn": found["ARN"], "version": found["VersionId"]}

    def in_acm(self, value: dict[str, Any], event: dict[str, Any]) -> str:
        """The ARN that the event names; the certificate there is the one in the secret."""
        (arn,) = (part["location"] for part in event["data"]["locations"] if ":acm:" in part["location"])
        pem = self.acm.get_certificate(CertificateArn=arn)["Certificate"]
        serial = openssl("x509", "-noout", "-serial", given=pem).strip()
        say(f"{arn}: {serial}")
        require(serial == f"serial={value['serial_number']}", "ACM holds another certificate than the secret")
        return arn

    def compare(self, first: dict[str, Any], issued: dict[str, Any], renewed: dict[str, Any]) -> None:
        current, previous = self.secret("AWSCURRENT"), self.secret("AWSPREVIOUS")
        check_with_openssl(current, renewed)
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


def check_with_openssl(value: dict[str, Any], event: dict[str, Any]) -> None:
    """Names, dates, and the key that belongs to the certificate, as openssl sees them."""
    wanted = ("-noout", "-subject", "-serial", "-startdate", "-enddate", "-ext", "subjectAltName,extendedKeyUsage")
    text = openssl("x509", *wanted, given=value["certificate"])
    say(text.rstrip())
    for name in ("DNS:www.example.com", "DNS:example.com", "IP Address:192.0.2.10"):
        require(name in text, f"{name} is missing")
    require(f"serial={value['serial_number']}" in text, "the secret's serial number is not the certificate's")
    require(value["serial_number"] == event["data"]["serial_number"], "the event tells of another certificate")
    of_certificate = openssl("x509", "-noout", "-pubkey", given=value["certificate"])
    require(of_certificate == public_key_of(value["private_key"]), "the private key is not the certificate's")
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(value["certificate"])
        file.flush()
        answer = openssl("verify", "-partial_chain", "-trusted", file.name, file.name)
    say(f"openssl verify: {answer.strip().rsplit(': ', 1)[-1]}; the private key belongs to the certificate: yes")


def public_key_of(private_key: str) -> str:
    return openssl("pkey", "-pubout", given=private_key)


def openssl(*arguments: str, given: str = "") -> str:
    done = subprocess.run(["openssl", *arguments], input=given, capture_output=True, text=True, timeout=20, check=False)
    require(done.returncode == 0, f"openssl {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise CheckFailed(otherwise)


def say(text: str) -> None:
    print("\n".join(f"   {line}" for line in text.splitlines()), flush=True)


def main() -> int:
    began = time.monotonic()
    try:
        with emulator() as running:
            demo = Demo(running)
            print(f"the local AWS is up at {running.url}, with IAM enforced (documents: {Path(DOCUMENT)})")
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
