"""Every command of `evercert` on the stack, each as a role with the policies that docs/how-to/permissions.md promises for it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from evercert.authority.contracts.approval_terms import ApprovalTerms
from evercert.aws.authority.certificates import DynamoDBCertificates
from evercert.aws.tags import STACK_TAG, TEMPORARY_TAG
from evercert.pki.keys import PrivateKey
from tests.contract.cli.authority.test_external_certificate import ExternalCA, pem
from tests.iam import people, recorder
from tests.iam.facts import Record
from tests.iam.processes import CallLog
from tests.samples.agent_documents import CLIENT_ID, entry, outputs
from tests.samples.agent_documents import document as agent_document
from tests.samples.authority import requested
from tests.stack.conftest import Stack, written
from tests.stack.test_authority import NAME
from tests.tools.json_schemas import registry as json_schemas
from tests.tools.local_authority import DOCUMENT, PROFILE, LocalAuthority
from tests.tools.local_infisical import trust_environment, with_address
from tests.tools.local_stack import ACCOUNT, ROOT, STACK

FOUND = (0, 1)  # of checks: other tests break parts of the stack
TRUST = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}


def as_policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@dataclass
class People:
    """Roles of the emulator with the policies of docs/policies; each command runs as the role that the page names."""

    stack: Stack
    calls: CallLog
    folder: Path
    promises: dict[str, str] = field(default_factory=people.promised)
    ran: dict[str, str] = field(default_factory=dict)  # policy by command
    records: list[Record] = field(default_factory=list)
    credentials: dict[str, dict[str, str]] = field(default_factory=dict)
    validated: set[str] = field(default_factory=set)  # commands whose --json matched its schema
    unknown: set[str] = field(default_factory=set)  # checks that the read-only `doctor` could not make

    def __post_init__(self) -> None:
        iam = self.stack.client("iam")
        for name in people.POLICIES:
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=as_policy(TRUST))
            for file in people.POLICIES[name]:
                text = json.dumps(people.policy(file, self.stack.deployment))
                iam.put_role_policy(RoleName=name, PolicyName=file, PolicyDocument=text)
            self.credentials[name] = {key.upper(): value for key, value in self.stack.role(name).items()}

    def run(self, *arguments: str, codes: Sequence[int] = (0,), policy: str = "", **environment: str) -> str:
        """Run a command under its policy, or another one; check its exit code, return its output."""
        command, promise = people.policy_of(arguments, self.promises)
        schema = json_schemas.command_of(arguments)
        if schema is not None and schema not in self.validated and "--json" not in arguments:
            arguments = (*arguments, "--json")  # the first run of each command
        name = policy or promise
        given = {**self.calls.environment, "EVERCERT_RECORDED_AS": name, **self.credentials.get(name, {})}
        done = self.stack.evercert(*arguments, **{**given, **environment})
        assert done.returncode in codes, f"{arguments} as {name}: {done.stdout}{done.stderr}"
        made = self.calls.new()
        assert made == [] or name != people.NO_POLICY, f"{command} calls services"
        self.records += made
        recorder.calls.extend(dict(one) for one in made)  # the judge of the functions learns from them, too
        self.ran.setdefault(command, promise)
        if "--json" in arguments and done.stdout:
            json_schemas.check_run(arguments, done.returncode, done.stdout, done.stderr)
            self.validated.add(str(schema))
        return done.stdout

    def json(self, *arguments: str, codes: Sequence[int] = (0,)) -> Any:
        return json.loads(self.run(*arguments, "--json", codes=codes))


def of_certificates(run: People, name: str) -> None:
    """Run the commands for documents and certificates."""
    issuer = f"ca-{name}"  # pausing it stops no certificate of another test
    file = written(run.folder, {issuer: {"type": "self-signed"}}, [{"name": name, "issuer": issuer}])
    run.run("version")
    run.run("version", "--stack", STACK)
    run.run("validate", file)
    run.run("apply", file, "--dry-run")
    run.run("apply", file, "--wait")
    run.run("apply", file, "--now")
    run.run("list")
    run.run("list", "--timeline")
    run.run("report", "--html", "-")
    run.run("show", name)
    run.run("history", name)
    with subscribers(run, name):
        run.run("doctor", name, policy="operator", codes=FOUND)
        assert {"reload", name} <= subscriptions(run.json("doctor", name, codes=FOUND))
    run.run("issuer", "list")
    of_acme(run, f"acme-{name}")
    run.run("issuer", "test", issuer)
    run.run("renew", name, "--dry-run")
    run.run("renew", name, "--yes", "--wait")
    run.run("rollback", name, "--dry-run")
    run.run("rollback", name, "--yes", "--wait")
    run.run("pause", "--issuer", issuer)
    run.run("resume", "--issuer", issuer)
    stale = stale_queue(run)
    run.run("events", "--for", "1s", "--certificate", name)
    assert stale not in run.stack.client("sqs").list_queues().get("QueueUrls", [])
    run.run("events", "--test")


def of_acme(run: People, issuer: str) -> None:
    """Show an ACME issuer, whose account is read, fail to change the account, and remove the issuer again."""
    dynamodb, table = run.stack.client("dynamodb"), run.stack.outputs["IssuersTable"]
    definition = {"type": "acme", "directory": "https://acme.invalid/directory", "solvers": [{"type": "http-01"}]}
    key = {"pk": {"S": f"issuer#{issuer}"}}
    text = {"schema": {"N": "1"}, "definition": {"S": json.dumps(definition)}}
    dynamodb.put_item(TableName=table, Item={**key, **text})
    assert run.json("issuer", "show", issuer)["account"] is None
    for change in ("rotate-key", "deactivate-account"):
        run.run("issuer", change, issuer, "--yes", codes=(1,))  # the CA does not exist
    run.run("issuer", "register-account", issuer, codes=(1,))
    dynamodb.delete_item(TableName=table, Key=key)


@contextmanager
def subscribers(run: People, name: str) -> Iterator[None]:
    """Subscribe a queue without a policy, and a function that does not exist; end both subscriptions again."""
    sns, topic = run.stack.client("sns"), run.stack.outputs["Topic"]
    url = run.stack.client("sqs").create_queue(QueueName=name)["QueueUrl"]
    region, account = topic.split(":")[3:5]
    endpoints = {"sqs": f"{region}:{account}:{name}", "lambda": f"{region}:{account}:function:reload"}
    made = [
        sns.subscribe(TopicArn=topic, Protocol=kind, Endpoint=f"arn:aws:{kind}:{rest}", ReturnSubscriptionArn=True)
        for kind, rest in endpoints.items()
    ]
    yield
    for one in made:
        sns.unsubscribe(SubscriptionArn=one["SubscriptionArn"])
    run.stack.client("sqs").delete_queue(QueueUrl=url)


def subscriptions(checks: Sequence[dict[str, str]]) -> set[str]:
    """Return the names of queues and functions that cannot receive events."""
    failed = [one["found"] for one in checks if one["check"] == "subscription" and one["status"] == "failed"]
    return {found.partition(": ")[0].rpartition(":")[2] for found in failed}


def stale_queue(run: People) -> str:
    """Leave a queue and a subscription as a killed `events` does; return the queue, which the next `events` deletes."""
    sqs, sns = run.stack.client("sqs"), run.stack.client("sns")
    tags = {STACK_TAG: STACK, TEMPORARY_TAG: "2020-01-01T00:00:00.000Z"}
    url = sqs.create_queue(QueueName=f"evercert-events-{uuid.uuid4().hex[:16]}", tags=tags)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=run.stack.outputs["Topic"], Protocol="sqs", Endpoint=arn)
    return str(url)


def of_deliveries(run: People, name: str) -> None:
    """Run `adopt` for a secret, an ACM certificate and everything with another tag; then delete the certificate."""
    stack, title = run.stack, f"elsewhere/{name}"
    stack.client("secretsmanager").create_secret(Name=title, SecretString="{}")
    pair = stack.secret(name)
    keys = {"Certificate": pair["certificate"].encode(), "PrivateKey": pair["private_key"].encode()}
    arn = stack.client("acm").import_certificate(**keys)["CertificateArn"]
    run.run("adopt", name, title, "--yes")
    run.run("adopt", name, arn, "--yes")
    to_acm = {"name": name, "issuer": f"ca-{name}", "destinations": [{"type": "acm", "arn": arn}]}
    run.run("apply", written(run.folder, {}, [to_acm]), "--dry-run")  # compares what ACM holds
    # It finds nothing: the emulator's tagging API knows no secrets.
    run.run("adopt", "--from", "111122223333/eu-central-1/before", "--yes")
    run.run("uninstall", "--plan")
    run.run("delete", name, "--yes")


def of_host(run: People) -> None:
    """Install a certificate on this host, as the host's role."""
    name = people.HOST_CERTIFICATE
    run.run(
        "apply", written(run.folder, {"host": {"type": "self-signed"}}, [{"name": name, "issuer": "host"}]), "--wait"
    )
    file = run.folder / "host.yaml"
    file.write_text(json.dumps(agent_document(entry(name=name, file_output=outputs(str(run.folder / "tls" / name))))))
    run.run("agent", "--config", str(file), "--once", "--state-directory", str(run.folder / "state"))
    assert (run.folder / "tls" / f"{name}.crt").exists()


def of_credentials(run: People) -> None:
    """Store the credentials of an agent document, and change them."""
    mark, first, second = uuid.uuid4().hex[:8], uuid.uuid4().hex, uuid.uuid4().hex
    file = run.folder / f"{mark}.yaml"
    for secret in (first, second):
        auth = {"type": "universal-auth", "config": {"client-id": CLIENT_ID, "client-secret": secret}}
        address = {"address": f"https://{mark}.infisical.invalid"}
        one = entry(name=mark, application_name=mark, file_output=outputs(mark))
        file.write_text(json.dumps(agent_document(one, auth=auth, infisical=address)))
        if secret == first:
            run.run("apply", str(file), "--dry-run")
        run.run("apply", str(file), "--no-nudge", "--no-login-check")
    run.run("delete", mark, "--yes")


def of_external_ca(run: People) -> None:
    """Create an authority whose issuing CA an external CA certifies."""
    external, file = ExternalCA(), run.folder / "ca.pem"
    run.run("authority", "init", "--no-root", "--issuing", "outside=EC_prime256v1", "--yes")
    csr = x509.load_pem_x509_csr(run.run("authority", "ca", "csr", "outside").encode())
    file.write_text(pem(external.signed(csr.subject, csr.public_key(), 0), external.root))
    run.run("authority", "ca", "import", "outside", str(file))
    run.run("authority", "ca", "replace", "outside", "--yes")  # waits for the external CA
    run.run("authority", "ca", "delete", "outside-2", "--yes")


def of_external_issuers(run: People) -> None:
    """Open an issuer to profiles, and close it again."""
    dynamodb, table = run.stack.client("dynamodb"), run.stack.outputs["IssuersTable"]
    definition = {"type": "acme", "directory": "https://acme.invalid/directory", "solvers": [{"type": "http-01"}]}
    key = {"pk": {"S": "issuer#outside"}}
    text = {"schema": {"N": "1"}, "definition": {"S": json.dumps(definition)}}
    dynamodb.put_item(TableName=table, Item={**key, **text})
    run.run("authority", "external", "set", "outside", "--dns", "*.example.com", "--yes")
    run.run("authority", "external", "list")
    run.run("authority", "external", "remove", "outside")
    dynamodb.delete_item(TableName=table, Key=key)


def of_requests(run: People) -> None:
    """Reject a request that waits for approval; an approval comes too late."""
    profile = run.json("authority", "show", PROFILE)["id"]
    terms = ApprovalTerms(1, datetime.now(UTC).replace(microsecond=0) + timedelta(days=1), movable=True)
    changes = {"status": "pending_approval", "profile": profile, "approval": terms, "origin": "acme"}
    request = requested(csr=PrivateKey.generate("EC_prime256v1").sign_proof(), **changes)
    tables = run.stack.outputs["AuthorityTable"], run.stack.outputs["AuthorityAudit"]
    DynamoDBCertificates(run.stack.client("dynamodb"), *tables).open(request, None)
    run.run("authority", "request", "list")
    run.run("authority", "request", "reject", request.id, "--reason", "test")
    run.run("authority", "request", "approve", request.id, codes=(2,))


def of_authority(run: People, role: str) -> str:
    """Set up an authority with a root of its own, and run every command that shows or changes it; return an identity."""
    run.run("authority", "init", "--common-name", "Example", "--yes")
    kms, root = run.stack.client("kms"), run.json("authority", "ca", "show", "root")["key"]
    delegated = {**TRUST, "Action": "kms:*", "Resource": "*", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
    kms.put_key_policy(KeyId=root, PolicyName="default", Policy=as_policy(delegated))
    run.run("authority", "init", "--yes")  # restores it
    before = {**delegated, "Principal": {"AWS": [f"arn:aws:iam::{ACCOUNT}:{one}" for one in ("root", "role/deleted")]}}
    kms.put_key_policy(KeyId=root, PolicyName="default", Policy=as_policy(before))
    run.run("take-over", "--yes")
    for name in ("issuing-ec", "issuing-rsa"):
        run.run("authority", "ceiling", name, "--dns", "*.example.com", "--dns", "example.com", "--yes")
    run.run("authority", "apply", DOCUMENT, "--dry-run")
    run.run("authority", "apply", DOCUMENT)
    run.run("authority", "show", PROFILE)
    for command in ("status", "profiles", "ca list", "ca show root", "identity list"):
        run.run("authority", *command.split())
    for command in ("renew root --yes", "crl", "disable issuing-ec --yes", "enable issuing-ec"):
        run.run("authority", "ca", *command.split())
    run.run("authority", "ca", "replace", "issuing-ec", "--dry-run")
    run.run("authority", "ca", "replace", "issuing-ec", "--yes")
    run.run("authority", "ca", "delete", "issuing-ec", "--yes", codes=(2,))  # its certificates may be valid
    run.run("authority", "ca", "enable", "issuing-ec")
    run.run("authority", "apply", DOCUMENT)  # moves the profile back
    run.run("authority", "init", "--issuing", "limited=EC_prime256v1", "--permit-dns", "example.com", "--yes")
    identity = ("authority", "identity")
    run.run(*identity, "create", "web", "--universal", "--profile", PROFILE)
    run.run(*identity, "show", "web")
    run.run(*identity, "grant", "web", "--profile", PROFILE, "--permission", "read-key")
    run.run(*identity, "secret", "web")
    run.run(*identity, "delete", "web", "--yes")
    run.run(*identity, "create", "host", "--aws-role", role, "--profile", PROFILE)
    run.run(*identity, "roles", "host", "--aws-role", role)
    run.run(*identity, "delete", "host", "--yes")
    run.run("authority", "project", "create", "every-command")
    run.run("authority", "project", "list")
    run.run("authority", "changes")
    run.run("authority", "issuances")
    run.run("authority", "certificates", "--name", "*.example.com")
    run.run("authority", "certificates", "--reindex")
    of_external_issuers(run)
    of_requests(run)
    made = run.json("authority", "eab", "create", "--profile", PROFILE, "--expires", "7d", "--names", "*.example.com")
    run.run("authority", "eab", "list")
    run.run("authority", "acme", "status")
    run.run("authority", "eab", "revoke", made["key_id"], "--yes")
    checks = run.json("doctor", codes=FOUND)
    run.unknown = {one["check"] for one in checks if one["status"] == "unknown"}
    return str(run.json(*identity, "create", "issuer", "--aws-role", role, "--profile", PROFILE)["id"])


def of_revocation(run: People, found: LocalAuthority, identity: str) -> None:
    """Issue a certificate of the authority; revoke it by a serial number whose record is lost, then block its key."""
    agent = with_address(ROOT / "examples" / "agent.yaml", found.address, run.folder)
    trust = trust_environment(found.ca_bundle, run.folder)
    table, dynamodb = run.stack.outputs["AuthorityTable"], run.stack.client("dynamodb")
    before = keys_of(run.stack.items(table=table))
    run.run("apply", str(agent), "--wait", **trust, INFISICAL_MACHINE_IDENTITY_ID=identity)
    leaf = x509.load_pem_x509_certificate(run.stack.secret(NAME)["certificate"].encode())
    run.run("delete", NAME, "--yes")
    run.run("authority", "audit", codes=FOUND)
    for key in keys_of(run.stack.items(table=table)):
        if key not in before and not key["pk"]["S"].startswith("crl"):
            dynamodb.delete_item(TableName=table, Key=key)
    run.run("authority", "revoke", f"{leaf.serial_number:x}", "--yes")
    blocked = ("authority", "revoke", leaf.fingerprint(SHA256()).hex(), "--reason", "key-compromise")
    run.run(*blocked, "--yes")
    run.run("uninstall", "--plan")


def keys_of(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: item[name] for name in ("pk", "sk")} for item in items]
