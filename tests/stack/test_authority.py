"""The authority on the deployed stack: permissions of its roles, and one certificate from end to end."""

from __future__ import annotations

import json
import ssl
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from evercert.pki.keys import PrivateKey
from tests.stack.conftest import Stack
from tests.stack.test_canaries import Scanner
from tests.stack.test_permissions import denied
from tests.tools.local_authority import PROFILE, LocalAuthority, serve_authority, set_up
from tests.tools.local_infisical import trust_environment, with_address
from tests.tools.local_stack import ROOT, STACK
from tests.tools.openssl import verify

NAME = "app.example.com"  # of examples/agent.yaml
DIGEST = {"Message": b"\0" * 32, "MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_256"}
RAW = {**DIGEST, "MessageType": "RAW"}
Client = Callable[..., Any]


@dataclass(frozen=True)
class Ready:
    """An authority that is set up, and the name of the issuer function's role."""

    stack: Stack
    found: LocalAuthority
    identity: str

    def said(self, *arguments: str) -> str:
        done = self.stack.evercert("authority", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def key(self, name: str) -> str:
        return str(json.loads(self.said("ca", "show", name, "--json"))["key"])


@pytest.fixture(scope="module")
def ready(stack: Stack) -> Iterator[Ready]:
    def command(*arguments: str) -> str:
        done = stack.evercert(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    with serve_authority(stack.running, stack.outputs) as found:
        yield Ready(stack, found, set_up(command, stack.outputs["IssuerRole"]))


def role(stack: Stack, name: str) -> Client:
    credentials = stack.role(stack.resource(name))
    return lambda service, **more: stack.client(service, **credentials, **more)


@pytest.fixture(scope="module")
def signer(stack: Stack) -> Client:
    return role(stack, "SignerRole")


@pytest.fixture(scope="module")
def front(stack: Stack) -> Client:
    return role(stack, "AuthorityRole")


def test_signer_signs_only_digests_with_issuing_keys(ready: Ready, signer: Client) -> None:
    issuing, root = ready.key("issuing-ec"), ready.key("root")
    assert signer("kms").sign(KeyId=issuing, **DIGEST)["Signature"]
    assert denied(lambda: signer("kms").sign(KeyId=issuing, **RAW))
    longer = {"Message": b"\0" * 48, "MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_384"}
    assert denied(lambda: signer("kms").sign(KeyId=root, **longer))
    assert denied(lambda: signer("kms").put_key_policy(KeyId=issuing, PolicyName="default", Policy="{}"))


@pytest.mark.parametrize("name", ["AuthorityRole", "IssuerRole", "CheckerRole"])
def test_other_functions_cannot_sign(ready: Ready, name: str) -> None:
    client = role(ready.stack, name)("kms")
    grant = {"GranteePrincipal": ready.stack.outputs["AuthorityRole"], "Operations": ["Sign"]}
    for key in (ready.key("issuing-ec"), ready.key("root")):
        assert denied(lambda key=key: client.sign(KeyId=key, **DIGEST))
        assert denied(lambda key=key: client.create_grant(KeyId=key, **grant))


def test_key_policy_denies_a_role_with_all_kms_permissions(ready: Ready) -> None:
    """The key policy's denial outweighs whatever the role's own policy allows."""
    name = ready.stack.resource("AuthorityRole")
    iam = ready.stack.client("iam")
    everything = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
    iam.put_role_policy(RoleName=name, PolicyName="widened", PolicyDocument=document)
    try:
        client = role(ready.stack, "AuthorityRole")("kms")
        for key in (ready.key("issuing-ec"), ready.key("root")):
            assert denied(lambda key=key: client.sign(KeyId=key, **DIGEST))
    finally:
        iam.delete_role_policy(RoleName=name, PolicyName="widened")


@pytest.mark.parametrize("name", ["AuthorityRole", "SignerRole", "IssuerRole", "CheckerRole"])
def test_functions_cannot_write_the_configuration(ready: Ready, name: str) -> None:
    table = {"TableName": ready.stack.outputs["AuthorityConfiguration"]}
    client = role(ready.stack, name)("dynamodb")
    key = {"pk": {"S": "ca"}, "sk": {"S": "x"}}
    assert denied(lambda: client.put_item(Item=key, **table))
    assert denied(lambda: client.delete_item(Key=key, **table))
    assert denied(lambda: client.update_item(Key=key, UpdateExpression="REMOVE a", **table))
    query = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": "ca"}}}
    assert denied(lambda: client.query(**query, **table)) is (name not in {"AuthorityRole", "SignerRole"})
    assert denied(lambda: client.get_item(Key=key, **table)) is (name != "AuthorityRole")


def test_ledger_is_written_by_the_signer_only(ready: Ready, signer: Client, front: Client) -> None:
    table = {"TableName": ready.stack.outputs["AuthorityLedger"]}
    key = {"pk": {"S": "order#test"}, "sk": {"S": "probe"}}
    condition = {"ConditionExpression": "attribute_not_exists(pk)"}
    signer("dynamodb").put_item(Item=key, **condition, **table)
    for client in (signer("dynamodb"), front("dynamodb")):
        assert denied(lambda client=client: client.get_item(Key=key, **table))
        assert denied(lambda client=client: client.delete_item(Key=key, **table))
        assert denied(lambda client=client: client.update_item(Key=key, UpdateExpression="REMOVE a", **table))
        assert denied(lambda client=client: client.scan(**table))
    assert denied(lambda: front("dynamodb").put_item(Item=key, **table))


def test_api_function_invokes_only_the_signer(ready: Ready, front: Client, signer: Client) -> None:
    outputs = ready.stack.outputs
    answer = front("lambda").invoke(FunctionName=outputs["SignerFunction"], Payload=b'{"verb": "anything"}')
    assert "refused" in json.loads(answer["Payload"].read())
    assert denied(lambda: front("lambda").invoke(FunctionName=outputs["IssuerFunction"], Payload=b"{}"))
    assert denied(lambda: signer("lambda").invoke(FunctionName=outputs["AuthorityFunction"], Payload=b"{}"))


def test_only_the_api_function_opens_its_seal(ready: Ready, front: Client, signer: Client) -> None:
    key, context = ready.stack.resource("AuthoritySealKey"), {"evercert:stack": STACK}
    blob = front("kms").encrypt(KeyId=key, Plaintext=b"key", EncryptionContext=context)["CiphertextBlob"]
    sealed = {"KeyId": key, "CiphertextBlob": blob, "EncryptionContext": context}
    assert denied(lambda: signer("kms").decrypt(**sealed))
    assert denied(lambda: role(ready.stack, "IssuerRole")("kms").decrypt(**sealed))
    assert denied(lambda: front("kms").decrypt(KeyId=key, CiphertextBlob=blob, EncryptionContext={}))
    assert front("kms").decrypt(**sealed)["Plaintext"] == b"key"


def test_front_only_writes_public_files(ready: Ready, front: Client) -> None:
    bucket = {"Bucket": ready.stack.outputs["AuthorityBucket"]}
    key = "api/v1/cert-manager/crl/probe/der"
    assert not denied(lambda: front("s3").put_object(Key=key, Body=b"probe", **bucket))
    try:
        assert denied(lambda: front("s3").put_object(Key="index.html", Body=b"probe", **bucket))
        assert denied(lambda: front("s3").delete_object(Key=key, **bucket))
        assert denied(lambda: front("s3").list_objects_v2(**bucket))
        assert denied(lambda: front("s3").delete_bucket_policy(**bucket))
        for name in ("SignerRole", "IssuerRole", "CheckerRole"):
            client = role(ready.stack, name)("s3")
            assert denied(lambda client=client: client.put_object(Key=key, Body=b"other", **bucket))
    finally:
        ready.stack.client("s3").delete_object(Key=key, **bucket)


def test_operator_cannot_sign_leaves(ready: Ready) -> None:
    """The operator's policy allows all of KMS; the key policy does not name the operator."""
    iam, sts = ready.stack.client("iam"), ready.stack.client("sts")
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    everything = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    documents = [json.dumps({"Version": "2012-10-17", "Statement": [one]}) for one in (trust, everything)]
    arn = iam.create_role(RoleName="all-of-kms", AssumeRolePolicyDocument=documents[0])["Role"]["Arn"]
    iam.put_role_policy(RoleName="all-of-kms", PolicyName="kms", PolicyDocument=documents[1])
    given = sts.assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    client = ready.stack.client(
        "kms", aws_access_key_id=given["AccessKeyId"], aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )  # fmt: skip
    assert denied(lambda: client.sign(KeyId=ready.key("issuing-ec"), **DIGEST))
    root = {"Message": b"\0" * 48, "MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_384"}
    assert client.sign(KeyId=ready.key("root"), **root)["Signature"]  # the ceremony runs as an operator


@pytest.fixture(scope="module")
def issued(ready: Ready, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Return the secret of the agent document's certificate."""
    folder = tmp_path_factory.mktemp("agent")
    document = with_address(ROOT / "examples" / "agent.yaml", ready.found.address, folder)
    environment = {**trust_environment(ready.found.ca_bundle, folder), "INFISICAL_MACHINE_IDENTITY_ID": ready.identity}
    done = ready.stack.evercert("apply", str(document), "--wait", **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    yield ready.stack.secret(NAME)
    ready.stack.evercert("delete", NAME, "--yes")


def published(ready: Ready, address: str) -> bytes:
    """Fetch from the bucket over plain http, without credentials; the emulator answers for the host of S3."""
    place = urlsplit(address)
    assert (place.scheme, place.hostname) == ("http", ready.stack.outputs["AuthorityBucketHost"])
    asked = urllib.request.Request(ready.stack.running.url + place.path, headers={"Host": place.netloc})
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return bytes(answer.read())


def fetched(ready: Ready, address: str, folder: Path, body: object = None, token: str | None = None) -> bytes:
    """Fetch without a token, as a verifier does; send a POST if there is a body."""
    bundle = folder / "transport.pem"
    bundle.write_text(ready.found.ca_bundle)
    trust = ssl.create_default_context(cafile=str(bundle))
    headers = {"Content-Type": "application/json"} | ({} if token is None else {"Authorization": f"Bearer {token}"})
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(address, data, headers)
    with urllib.request.urlopen(asked, timeout=30, context=trust) as answer:
        return bytes(answer.read())


def test_certificate_chains_to_the_root_in_kms(ready: Ready, issued: dict[str, str]) -> None:
    root = ready.said("ca", "show", "root", "--pem")
    assert verify(issued["certificate"], trusted=root, chain=issued["fullchain"]) == "OK"
    assert ready.found.count("/auth/aws-auth/login") >= 1


def test_every_signature_is_in_the_ledger(ready: Ready, issued: dict[str, str]) -> None:
    answer = json.loads(ready.said("audit", "--json"))
    assert answer["signed"] >= 1
    assert answer["unknown"] == []


def test_revoked_certificate_is_in_its_crl(ready: Ready, issued: dict[str, str], tmp_path: Path) -> None:
    leaf = x509.load_pem_x509_certificate(issued["certificate"].encode())
    (point,) = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    (address,) = point.full_name or ()
    sha256 = leaf.fingerprint(hashes.SHA256()).hex()
    answer = json.loads(ready.said("revoke", sha256, "--reason", "superseded", "--yes", "--json"))
    assert answer["listed"]
    der = published(ready, address.value)
    assert fetched(ready, ready.found.address + urlsplit(address.value).path, tmp_path) == der
    crl = x509.load_der_x509_crl(der)
    entry = crl.get_revoked_certificate_by_serial_number(leaf.serial_number)
    assert entry is not None
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason == x509.ReasonFlags.superseded
    (place,) = (
        one.access_location.value
        for one in leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    )
    issuer = x509.load_der_x509_certificate(published(ready, place))
    leaf.verify_directly_issued_by(issuer)
    assert crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]


def test_unknown_ledger_entry_raises_the_alarm(ready: Ready, signer: Client) -> None:
    """Sign something behind the back of the API function, as a compromised one would."""
    table = ready.stack.outputs["AuthorityLedger"]
    item = {"pk": {"S": "order#hidden"}, "sk": {"S": "result"}, "sha256": {"S": "00"}}
    signer("dynamodb").put_item(TableName=table, Item=item, ConditionExpression="attribute_not_exists(pk)")
    done = ready.stack.evercert("authority", "audit", "--json")
    assert done.returncode == 1
    assert "hidden" in {one["order"] for one in json.loads(done.stdout)["unknown"]}
    ready.stack.client("dynamodb").delete_item(TableName=table, Key={name: item[name] for name in ("pk", "sk")})


def test_authority_secrets_are_in_no_log_or_table(ready: Ready, tmp_path: Path) -> None:
    """Search for a client secret, and for a key generated by the authority: only the client may hold them."""
    granted = ("--profile", PROFILE, "--permission", "request", "--permission", "read-key")
    made = json.loads(ready.said("identity", "create", "canary", "--universal", *granted, "--json"))
    api = f"{ready.found.address}/api"
    login = {"clientId": made["client_id"], "clientSecret": made["client_secret"]}
    token = json.loads(fetched(ready, f"{api}/v1/auth/universal-auth/login", tmp_path, login))["accessToken"]
    where = f"{api}/v1/cert-manager/certificate-profiles/slug/tls-server?projectId="
    project = json.loads(fetched(ready, f"{api}/v1/projects/slug/my-project", tmp_path, token=token))["id"]
    profile = json.loads(fetched(ready, where + project, tmp_path, token=token))["certificateProfile"]["id"]
    attributes = {"altNames": [{"type": "dns_name", "value": "canary.example.com"}], "ttl": "1d"}
    body = {"profileId": profile, "attributes": attributes}
    issued = json.loads(fetched(ready, f"{api}/v1/cert-manager/certificates", tmp_path, body, token))["certificate"]
    scanner = Scanner()
    scanner.know("client secret", made["client_secret"].encode())
    scanner.know("access token", token.encode())
    scanner.know_key("private key", PrivateKey.from_pem(issued["privateKey"]).der())
    assert scanner.find([f"x{token}", issued["privateKey"]]) == {"access token", "private key"}
    for table in ("AuthorityConfiguration", "AuthorityTable", "AuthorityLedger"):
        items = ready.stack.items(table=ready.stack.outputs[table])
        assert items, table
        assert scanner.find(map(repr, items)) == set(), table
    logs = ready.stack.client("logs")
    for group in logs.describe_log_groups()["logGroups"]:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
        assert scanner.find(event["message"] for page in pages for event in page["events"]) == set(), group
