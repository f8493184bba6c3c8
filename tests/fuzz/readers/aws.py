"""Readers of answers of AWS: every operation that evercert calls, with fields that are missing or of another type."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, suppress
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from types import SimpleNamespace
from typing import Any

from evercert.authority.ca.public_files import PublicFile
from evercert.authority.ca.signing_orders import LeafOrder
from evercert.authority.signer.wire_format import encode_answer
from evercert.aws.assumed_role import credentials_of
from evercert.aws.authority.call_reads import CallReads
from evercert.aws.authority.certificates import DynamoDBCertificates
from evercert.aws.authority.configuration_writer import ConfigurationWriter
from evercert.aws.authority.key_creation import CAKeyMaking
from evercert.aws.authority.kms_keys import KMSKeys
from evercert.aws.authority.public_bucket import S3PublicStore
from evercert.aws.authority.signer_client import SignerFunction
from evercert.aws.authority.signing_ledger_reader import LedgerReading
from evercert.aws.clients import Clients
from evercert.aws.credential_reader import Credentials
from evercert.aws.credential_writer import CredentialSecrets
from evercert.aws.dynamodb.beside_reader import DynamoDBBesideReader
from evercert.aws.dynamodb.circuit_breakers import DynamoDBBreakers
from evercert.aws.dynamodb.issuer_loader import DynamoDBIssuers
from evercert.aws.dynamodb.issuer_store import DynamoDBOperating
from evercert.aws.dynamodb.record_store import DynamoDBRecordStore
from evercert.aws.dynamodb.spec_store import DynamoDBSpecs
from evercert.aws.dynamodb.sweep import DynamoDBPages
from evercert.aws.kms import Sealing
from evercert.aws.private_ca import CertificateOrder, PrivateCA, PrivateCAClients
from evercert.aws.route53 import Route53Clients
from evercert.aws.sns import SNSAnnouncer
from evercert.aws.sqs import SQSQueue
from evercert.aws.tags import CA_ID_TAG, CA_TAG, CERTIFICATE_TAG, STACK_TAG, TEMPORARY_TAG, Owner
from evercert.cli import adoption, connection, owner_tags
from evercert.cli.authority import crls
from evercert.cli.authority.requests import caller
from evercert.cli.doctor import certificate_checks, function_checks, owner_checks, stack_checks, subscription_checks
from evercert.cli.event_queue import TemporaryQueue
from evercert.cli.files import BadInput
from evercert.cli.uninstall import leftovers
from evercert.contracts.queue import Nudge
from evercert.contracts.read_beside import Needs
from evercert.contracts.record import Claim, Delivery
from evercert.destinations.context import DestinationContext, RegisteredDestinations
from evercert.documents.secret_reference import Credential, Reference
from evercert.documents.spec import Component
from evercert.errors import EvercertError
from evercert.issuers import ISSUERS
from evercert.pki.certificate import Bundle, Chain, to_pem
from evercert.pki.keys import public_bytes
from evercert.solvers.context import Route53Context, SolverContext
from evercert.solvers.route53 import Route53
from tests.doubles.aws_answers import AnsweringSession, answering
from tests.doubles.fakes import START, HandClock, spec
from tests.doubles.route53 import NAME, FakeCNAMEs, FakeLeases, challenge, value
from tests.fuzz.changes import changed_tree
from tests.fuzz.reader import Reader
from tests.fuzz.readers.certificates import KEY, chain
from tests.fuzz.readers.items import full
from tests.samples import authority as authority_samples
from tests.samples.outcomes import outcome

TYPED = (EvercertError, BadInput)
ACCOUNT, REGION, STACK = "123456789012", "eu-central-1", "evercert"
STACK_ID = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK}/1"
ARN = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/a"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:evercert/certificates/web-AbCdEf"
CA = f"arn:aws:acm-pca:{REGION}:{ACCOUNT}:certificate-authority/a"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:topic"
KEY_ARN = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/a"
ADDRESS = "https://app.infisical.com"
TAGS = [{"Key": STACK_TAG, "Value": str(Owner.of(STACK_ID))}, {"Key": CERTIFICATE_TAG, "Value": "web"}]
NOT_FOUND = {"Error": {"Code": "ResourceNotFoundException", "Message": "no"}}
Run = Callable[[], object]


@cache
def prepared() -> tuple[AnsweringSession, Clients]:
    return answering()


@cache
def bundle() -> Bundle:
    root, issuing, last = (entity.certificate for entity in chain())
    return Bundle(Chain((last, issuing, root)), KEY)


def destination(kind: str, **settings: str) -> Any:
    context = DestinationContext(STACK_ID, prepared()[1])
    return RegisteredDestinations(context).open(Component.model_validate({"type": kind, **settings}), "web")


def stack_connection() -> Any:
    """Return a connection whose outputs are as deployed."""
    names = ("CertificatesTable", "IssuersTable", "AuthorityFunction", "CheckerFunction", "IssuerFunction")
    outputs = {name: name for name in names} | {
        "Topic": TOPIC,
        "Queue": "https://sqs/q",
        "DeadLetters": "https://sqs/d",
    }
    clients = prepared()[1]
    return connection.Connection(
        STACK, STACK_ID, "CREATE_COMPLETE", clients, outputs, {},
        DynamoDBSpecs(clients.dynamodb, "table", "issuers", lambda _: None), SQSQueue(clients.sqs, "https://sqs/q"),
    )  # fmt: skip


def checked(name: str, check: Callable[[Any], Any]) -> Run:
    """Return a check of `doctor`; none may end in a bug of evercert."""

    def run() -> None:
        for found in stack_checks.run(name, partial(check, stack_connection())):
            assert not found.found.startswith("a bug"), found

    return run


# -- destinations and credentials -------------------------------------------------------------------------------------
def secrets_manager() -> Iterator[Run]:
    place, here = destination("secrets-manager"), Delivery(location=SECRET, version="v1", revision=1)
    yield lambda: place.deliver(bundle(), here)
    yield lambda: place.examine(here)
    yield lambda: place.inspect(here)
    clients = prepared()[1]
    yield lambda: Credentials(clients).read(Reference.model_validate({"aws-secret": "evercert/credentials/a"}), ADDRESS)
    yield lambda: Credentials(clients).read(
        Reference.model_validate({"aws-parameter": "/evercert/credentials/a"}), ADDRESS
    )
    store = CredentialSecrets(clients, STACK)
    credential = Credential("evercert/credentials/a", {"address": ADDRESS})
    yield lambda: store.write([credential], store.compare([credential]))
    yield lambda: adoption.find(stack_connection(), "web", "evercert/certificates/web")
    yield lambda: adoption.tag(stack_connection(), adoption.find(stack_connection(), "web", SECRET))


SECRETS = {
    "secretsmanager:DescribeSecret": {
        "ARN": SECRET, "Name": "evercert/certificates/web", "Tags": TAGS, "VersionIdsToStages": {"v1": ["AWSCURRENT"], "v2": ["AWSPREVIOUS"]},
        "CreatedDate": START, "RotationEnabled": False, "KmsKeyId": KEY_ARN,
    },
    "secretsmanager:PutSecretValue": {"ARN": SECRET, "VersionId": "v2", "VersionStages": ["AWSCURRENT"]},
    "secretsmanager:UpdateSecretVersionStage": {"ARN": SECRET},
    "secretsmanager:RestoreSecret": {"ARN": SECRET},
    "secretsmanager:GetSecretValue": {"SecretString": json.dumps({"address": ADDRESS, "client-secret": "s"})},
    "secretsmanager:CreateSecret": {"ARN": SECRET, "VersionId": "v1"},
    "secretsmanager:TagResource": {},
    "ssm:GetParameter": {"Parameter": {"Value": json.dumps({"address": ADDRESS}), "Version": 1, "LastModifiedDate": START}},
}  # fmt: skip
ABSENT = SECRETS | {"secretsmanager:DescribeSecret": NOT_FOUND}
MOVED = SECRETS | {
    "secretsmanager:DescribeSecret": {"ARN": SECRET, "Name": "x", "Tags": TAGS, "DeletedDate": START, "VersionIdsToStages": {"v1": []}}
}  # fmt: skip


def objects() -> Iterator[Run]:
    arn = "arn:aws:s3:::certificates/evercert/certificates/web.json"
    place = destination("s3", bucket="certificates", **{"kms-key": KEY_ARN})
    for here in (Delivery(location=arn, version="v1", revision=1), Delivery()):
        yield partial(place.deliver, bundle(), here)
        yield partial(place.examine, here)
        yield partial(place.inspect, here)
    yield lambda: adoption.tag(stack_connection(), adoption.find(stack_connection(), "web", arn))


OBJECTS = {
    "s3:HeadObject": {"ETag": '"1"', "VersionId": "v1", "Metadata": {"evercert-value": "1"}},
    "s3:GetObjectTagging": {"TagSet": TAGS},
    "s3:GetBucketVersioning": {"Status": "Enabled"},
    "s3:PutObject": {"ETag": '"2"', "VersionId": "v2"},
    "s3:PutObjectTagging": {},
}
NO_OBJECT = OBJECTS | {
    "s3:HeadObject": {"Error": {"Code": "404"}},
    "s3:GetObjectTagging": {"Error": {"Code": "NoSuchKey"}},
}
OVERTAKEN = OBJECTS | {"s3:PutObject": {"Error": {"Code": "PreconditionFailed"}}}


def parameters() -> Iterator[Run]:
    arn = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/evercert/certificates/web"
    place, here = destination("ssm-parameter"), Delivery(location=arn, version="1", revision=1)
    yield lambda: place.deliver(bundle(), here)
    yield lambda: place.examine(here)
    yield lambda: place.inspect(here)
    yield lambda: adoption.tag(stack_connection(), adoption.find(stack_connection(), "web", arn))


PARAMETERS = {
    "ssm:GetParameter": {"Parameter": {"Version": 2, "Type": "SecureString", "Value": "AQ"}},
    "ssm:GetParameterHistory": {"Parameters": [{"Version": 1, "Description": "a"}, {"Version": 2, "Description": "b"}]},
    "ssm:ListTagsForResource": {"TagList": TAGS},
    "ssm:PutParameter": {"Version": 3, "Tier": "Standard"},
    "ssm:DescribeParameters": {"Parameters": [{"Name": "/evercert/certificates/web", "Type": "SecureString"}]},
    "ssm:AddTagsToResource": {},
}
NO_PARAMETER = PARAMETERS | {
    "ssm:GetParameter": {"Error": {"Code": "ParameterNotFound"}},
    "ssm:ListTagsForResource": {"Error": {"Code": "InvalidResourceId"}},
}
CREATED_MEANWHILE = NO_PARAMETER | {"ssm:PutParameter": {"Error": {"Code": "ParameterAlreadyExists"}}}


def acm() -> Iterator[Run]:
    here = Delivery(location=ARN, version="1", revision=1)
    for place in (destination("acm"), destination("acm", arn=ARN)):
        yield from (partial(place.deliver, bundle(), at) for at in (here, Delivery()))
        yield partial(place.examine, here)
        yield partial(place.preflight, spec(), here)
        yield from (partial(place.inspect, at) for at in (here, Delivery()))
        yield partial(place.find, START)
    yield lambda: adoption.tag(stack_connection(), adoption.find(stack_connection(), "web", ARN))


def acm_answers(held: str) -> dict[str, Any]:
    return {
        "acm:GetCertificate": {"Certificate": held},
        "acm:ImportCertificate": {"CertificateArn": ARN},
        "acm:ListCertificates": {"CertificateSummaryList": [{"CertificateArn": ARN, "Type": "IMPORTED", "CreatedAt": START}]},
        "acm:ListTagsForCertificate": {"Tags": TAGS},
        "acm:DescribeCertificate": {"Certificate": {"Type": "IMPORTED", "DomainName": "x", "NotAfter": START, "InUseBy": ["y"]}},
        "acm:AddTagsToCertificate": {},
    }  # fmt: skip


def assumed_role() -> Iterator[Run]:
    yield credentials_of(
        prepared()[1], f"arn:aws:iam::{ACCOUNT}:role/x", STACK_ID, "parameter DestinationRoles must list it"
    )


def operator() -> Iterator[Run]:
    yield lambda: caller(prepared()[1])


def route53() -> Iterator[Run]:
    def solver() -> Route53:
        clients = Route53Clients(prepared()[1], STACK_ID)
        context = Route53Context(clients.of, FakeLeases(), FakeCNAMEs(), HandClock(), lambda _: None)
        return Route53(Route53.Settings(), SolverContext(route53=context))

    yield lambda: solver().present(challenge())
    yield lambda: solver().look(challenge(), NOTES)
    yield lambda: solver().clean_up(challenge(), NOTES)
    yield lambda: solver().check(NAME)


def private_ca() -> Iterator[Run]:
    ca = PrivateCA(PrivateCAClients(prepared()[1]).of(REGION), CA)
    order = CertificateOrder("csr", "token", "arn:aws:acm-pca:::template/a/V1", "SHA256WITHRSA", START, START)
    yield ca.describe
    yield lambda: ca.issue(order)
    yield lambda: ca.certificate(f"{CA}/certificate/1")
    yield lambda: ca.revoke(7)


CONFIGURED = {"KeyAlgorithm": "RSA_2048", "SigningAlgorithm": "SHA256WITHRSA", "Subject": {"CommonName": "x"}}
DESCRIBED = {
    "Status": "ACTIVE",
    "NotAfter": START,
    "UsageMode": "GENERAL_PURPOSE",
    "CertificateAuthorityConfiguration": CONFIGURED,
}
PRIVATE_CA: dict[str, Any] = {
    "acm-pca:DescribeCertificateAuthority": {"CertificateAuthority": DESCRIBED},
    "acm-pca:IssueCertificate": {"CertificateArn": f"{CA}/certificate/1"},
    "acm-pca:GetCertificate": {"Certificate": "a", "CertificateChain": "b"},
    "acm-pca:RevokeCertificate": {},
}  # fmt: skip
IN_PROGRESS = {"acm-pca:GetCertificate": {"Error": {"Code": "RequestInProgressException", "Message": "no"}}}
NOTES = '{"change":"C1","name":"_acme-challenge.shop.example.com","zone":"Z1"}'
RECORDS = {
    "Name": "_acme-challenge.shop.example.com.",
    "Type": "TXT",
    "TTL": 60,
    "ResourceRecords": [{"Value": f'"{value()}"'}, {"Value": '"a" "b"'}],
}
ZONES = {
    "route53:ListHostedZonesByName": {"HostedZones": [{"Id": "/hostedzone/Z1", "Name": "_acme-challenge.shop.example.com.", "CallerReference": "x", "Config": {"PrivateZone": False}}], "IsTruncated": False, "MaxItems": "100"},
    "route53:ListResourceRecordSets": {"ResourceRecordSets": [RECORDS], "IsTruncated": False, "MaxItems": "1"},
    "route53:ChangeResourceRecordSets": {"ChangeInfo": {"Id": "/change/C1", "Status": "PENDING", "SubmittedAt": START}},
    "route53:GetChange": {"ChangeInfo": {"Id": "/change/C1", "Status": "INSYNC", "SubmittedAt": START}},
}  # fmt: skip
NO_CHANGE = {"route53:GetChange": {"Error": {"Code": "NoSuchChange", "Message": "no"}}}


# -- messages ---------------------------------------------------------------------------------------------------------
def messages() -> Iterator[Run]:
    clients = prepared()[1]
    queue = SQSQueue(clients.sqs, "https://sqs/q")
    yield lambda: queue.send([Nudge("web"), Nudge("mail")])
    yield lambda: queue.send_later(Nudge("web"), timedelta(seconds=1))
    yield lambda: SNSAnnouncer(clients.sns, TOPIC, STACK_ID).announce(outcome())

    def follow() -> None:
        own = TemporaryQueue(clients, TOPIC, STACK, lambda: datetime(2026, 1, 20, tzinfo=UTC), threading.Event())
        own.delete_stale()
        try:
            own.open()
            for _ in own.messages(timedelta(milliseconds=1)):
                own.stop.set()
            own.stop.set()
        finally:
            own.close()

    yield follow


MESSAGES = {
    "sqs:SendMessageBatch": {"Successful": [{"Id": "0", "MessageId": "m", "MD5OfMessageBody": "x"}], "Failed": [{"Id": "1", "Code": "x", "SenderFault": False}]},
    "sqs:SendMessage": {"MessageId": "m"},
    "sns:Publish": {"MessageId": "m"},
    "sns:Subscribe": {"SubscriptionArn": f"{TOPIC}:1"},
    "sns:Unsubscribe": {},
    "sns:ListSubscriptionsByTopic": {"Subscriptions": [{"SubscriptionArn": f"{TOPIC}:2", "Endpoint": f"arn:aws:sqs:{REGION}:{ACCOUNT}:evercert-events-1", "Protocol": "sqs"}]},
    "sqs:ListQueues": {"QueueUrls": ["https://sqs/evercert-events-1"]},
    "sqs:ListQueueTags": {"Tags": {TEMPORARY_TAG: "2026-01-15T12:00:00.000Z", STACK_TAG: STACK}},
    "sqs:GetQueueUrl": {"QueueUrl": "https://sqs/q"},
    "sqs:CreateQueue": {"QueueUrl": "https://sqs/q"},
    "sqs:ReceiveMessage": {"Messages": [{"Body": "{}", "ReceiptHandle": "r", "MessageAttributes": {"labels": {"StringValue": "[]", "DataType": "String.Array"}}}]},
    "sqs:DeleteMessage": {}, "sqs:DeleteQueue": {}, "sqs:TagQueue": {},
}  # fmt: skip


# -- keys and functions -----------------------------------------------------------------------------------------------
def keys() -> Iterator[Run]:
    clients = prepared()[1]
    sealing, ca_keys, making = (
        Sealing(clients.kms, "key"),
        KMSKeys(clients.kms),
        CAKeyMaking(clients.kms, clients.client("kms", once=True), STACK),
    )
    yield lambda: sealing.close(KEY, {"a": "b"})
    yield lambda: sealing.open("AAAA", {"a": "b"}, "broken")
    yield lambda: ca_keys.sign("key", b"\0" * 32, "ECDSA_SHA_256")
    yield lambda: ca_keys.public_key("key")
    yield lambda: making.make("root", "id", "EC_prime256v1", {})
    yield lambda: making.found("root", "id")
    yield lambda: making.has_policy("key", {})
    yield lambda: making.put_policy("key", {})


KEYS = {
    "kms:Encrypt": {"CiphertextBlob": b"x", "KeyId": "a"},
    "kms:Decrypt": {"Plaintext": KEY.der(), "KeyId": "a"},
    "kms:Sign": {"Signature": b"x"},
    "kms:GetPublicKey": {"PublicKey": public_bytes(KEY.public_key)},
    "kms:CreateKey": {"KeyMetadata": {"Arn": KEY_ARN, "KeyId": "a"}},
    "kms:ListKeys": {"Keys": [{"KeyArn": KEY_ARN, "KeyId": "a"}], "Truncated": False},
    "kms:ListResourceTags": {"Tags": [{"TagKey": STACK_TAG, "TagValue": STACK}, {"TagKey": CA_TAG, "TagValue": "root"}, {"TagKey": CA_ID_TAG, "TagValue": "id"}]},
    "kms:DescribeKey": {"KeyMetadata": {"Enabled": True, "KeyState": "Enabled", "KeyId": "a"}},
    "kms:GetKeyPolicy": {"Policy": "{}"},
    "kms:PutKeyPolicy": {},
}  # fmt: skip


def functions() -> Iterator[Run]:
    clients = prepared()[1]
    order = LeafOrder("order-1", "ca", "shop/tls-server", authority_samples.leaf(), "csr")
    yield lambda: SignerFunction(clients.lambda_, "signer").leaf(order)
    yield lambda: crls.publish_now(SimpleNamespace(clients=clients, connection=stack_connection()))  # type: ignore[arg-type]
    records = SimpleNamespace(to_diagnose=lambda: ["web"])
    yield checked("diagnosis", lambda stack: certificate_checks._diagnose(stack, records))  # type: ignore[arg-type]


INVOKED = {"lambda:Invoke": {"StatusCode": 200, "Payload": json.dumps(encode_answer(b"der")).encode()}}


def bucket() -> Iterator[Run]:
    file = PublicFile("/a", b"list", "application/pkix-crl", 300, START, 5)
    yield lambda: S3PublicStore(prepared()[1].s3, "published").put(file)


BUCKET = {
    "s3:HeadObject": {"ETag": '"a"', "ContentLength": 4, "Metadata": {"number": "4"}},
    "s3:PutObject": {"ETag": '"b"'},
}


# -- the stack --------------------------------------------------------------------------------------------------------
def doctor() -> Iterator[Run]:
    yield lambda: connection.connection_of(
        connection.described(STACK, prepared()[1], connection._stack(prepared()[1], STACK))
    )
    yield checked("schedule", lambda stack: stack_checks.schedule(stack, "tick"))
    for check in (
        subscription_checks._topic,
        subscription_checks._deliveries,
        stack_checks._dead_letters,
        stack_checks._queue,
    ):
        yield checked("x", check)
    yield checked("key", lambda stack: stack_checks.key(stack, "SealKey"))
    yield checked("owner tags", owner_checks._old_tags)
    yield lambda: owner_tags.tag(stack_connection(), [ARN])
    yield checked("function", lambda stack: function_checks.function(stack, "IssuerFunction"))
    yield from (partial(find, stack_connection()) for find in (leftovers.of_template, leftovers.deliveries))


SUBSCRIBED = json.dumps(
    {
        "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*", "Condition": {"Bool": {"a": "b"}}}
        ]
    }
)
DEPLOYED = {
    "cloudformation:DescribeStacks": {
        "Stacks": [
            {
                "StackId": STACK_ID, "StackStatus": "CREATE_COMPLETE", "StackName": STACK,
                "Outputs": [{"OutputKey": name, "OutputValue": "x"} for name in ("CertificatesTable", "IssuersTable", "Queue")],
                "Parameters": [{"ParameterKey": "IssuerHosts", "ParameterValue": "x"}],
            }
        ]
    },
    "cloudformation:DescribeStackResource": {"StackResourceDetail": {"PhysicalResourceId": "key"}},
    "cloudformation:ListStackResources": {
        "StackResourceSummaries": [
            {"LogicalResourceId": "T", "PhysicalResourceId": "t", "ResourceType": "AWS::DynamoDB::Table"},
        ]
    },
    "dynamodb:DescribeTable": {"Table": {"DeletionProtectionEnabled": True}},
    "secretsmanager:ListSecrets": {"SecretList": [{"Name": "evercert/certificates/web", "Tags": TAGS}]},
    "acm:ListCertificates": {"CertificateSummaryList": [{"CertificateArn": ARN, "Type": "IMPORTED"}]},
    "acm:ListTagsForCertificate": {"Tags": TAGS},
    "scheduler:GetSchedule": {"State": "ENABLED", "ScheduleExpression": "rate(5 minutes)"},
    "sns:ListSubscriptionsByTopic": {
        "Subscriptions": [
            {"SubscriptionArn": f"{TOPIC}:2", "Endpoint": "a@example.com", "Protocol": "email"},
            {"SubscriptionArn": f"{TOPIC}:3", "Endpoint": TOPIC.replace("sns", "sqs"), "Protocol": "sqs"},
            {"SubscriptionArn": f"{TOPIC}:4", "Endpoint": TOPIC.replace("sns", "lambda"), "Protocol": "lambda"},
        ]
    },
    "sns:GetSubscriptionAttributes": {
        "Attributes": {
            "FilterPolicy": '{"type": ["certificate.issued"]}',
            "RedrivePolicy": json.dumps({"deadLetterTargetArn": TOPIC.replace("sns", "sqs")}),
        }
    },
    "sqs:GetQueueAttributes": {"Attributes": {"ApproximateNumberOfMessages": "2", "Policy": SUBSCRIBED}},
    "lambda:GetPolicy": {"Policy": SUBSCRIBED},
    "kms:DescribeKey": KEYS["kms:DescribeKey"],
    "lambda:GetFunctionConfiguration": {"State": "Active", "LastUpdateStatus": "Successful"},
    "resourcegroupstaggingapi:GetResources": {"ResourceTagMappingList": [{"ResourceARN": ARN, "Tags": TAGS}]},
    "resourcegroupstaggingapi:TagResources": {"FailedResourcesMap": {ARN: {"ErrorCode": "AccessDenied", "StatusCode": 400}}},
    "cloudwatch:GetMetricStatistics": {"Datapoints": [{"Maximum": 7.0, "Sum": 2.0}]},
}  # fmt: skip


# -- tables -----------------------------------------------------------------------------------------------------------
def tables() -> Iterator[Run]:
    # Without readers of pages, of indexes and of rate slots: DynamoDB guarantees what their conditions and keys have.
    client = prepared()[1].dynamodb
    store, specs = DynamoDBRecordStore(client, "t"), DynamoDBSpecs(client, "t", "i", sleep=lambda _: None)
    operating, pages = DynamoDBOperating(client, "i"), DynamoDBPages(client, "t")
    yield lambda: store.claim("web", Claim(id="mine", until=START + timedelta(minutes=1)), START)
    yield from (partial(read, "web") for read in (store.look, specs.record, specs.history))
    yield lambda: store.outcome("web", outcome().key)
    yield lambda: list(specs.records())
    yield pages.progress
    yield operating.issuers
    yield lambda: operating.pauses(START)
    yield lambda: DynamoDBIssuers(client, "i", ISSUERS, lambda: None, lambda: START).open("main")  # type: ignore[arg-type, return-value]
    beside, needs = DynamoDBBesideReader(client, "t"), Needs(("a",), ("web", "a"))
    issuers = DynamoDBIssuers(client, "i", ISSUERS, lambda: None, lambda: START, beside=beside)  # type: ignore[arg-type, return-value]
    yield lambda: issuers.open_beside("main", "web", needs)
    yield lambda: DynamoDBBreakers(client, "t").read("a")
    yield lambda: DynamoDBCertificates(client, "t", "a").certificate("a" * 64)
    yield lambda: DynamoDBCertificates(client, "t", "a").requests_by_id(["a"])
    yield lambda: ConfigurationWriter(client, "t").cas()
    yield lambda: CallReads(client).get_all([("i", "ca", "a"), ("i", "ca", "b")], "read CAs")
    yield lambda: LedgerReading(client, "t").certificates()


def rows() -> dict[str, Any]:
    attributes = ("pk", "sk", "spec", "generation", "claim")  # the readers of items have the others
    item = {name: value for name, value in full().items() if name in attributes}
    return {
        "dynamodb:GetItem": {"Item": item},
        "dynamodb:UpdateItem": {"Attributes": item},
        "dynamodb:Query": {"Items": [item], "Count": 1},
        "dynamodb:Scan": {"Items": [item], "Count": 1},
        "dynamodb:BatchGetItem": {"Responses": {"i": [item], "t": [item]}, "UnprocessedKeys": {}},
        "dynamodb:PutItem": {}, "dynamodb:DeleteItem": {}, "dynamodb:TransactWriteItems": {},
    }  # fmt: skip


def read(runs: Callable[[], Iterator[Run]], answers: Any, only: list[Run] | None = None) -> None:
    """Run every call with these answers; each gives a value or a typed error of its own."""
    session, _ = prepared()
    session.answers = answers
    for run in runs() if only is None else only:
        with suppress(*TYPED), redirect_stderr(io.StringIO()):
            run()


def held_by_acm() -> list[dict[str, Any]]:
    """Return the answers of ACM with a certificate of the bundle, of another serial number, and of none."""
    root, _, last = (entity.certificate for entity in chain())
    return [acm_answers(to_pem([one])) for one in (last, root)] + [acm_answers("") | {"acm:GetCertificate": NOT_FOUND}]


ANSWERS: dict[str, tuple[Callable[[], Iterator[Run]], Callable[[], list[Any]]]] = {
    "secrets": (secrets_manager, lambda: [SECRETS, ABSENT, MOVED]),
    "objects": (objects, lambda: [OBJECTS, NO_OBJECT, OVERTAKEN]),
    "parameters": (parameters, lambda: [PARAMETERS, NO_PARAMETER, CREATED_MEANWHILE]),
    "ACM": (acm, held_by_acm),
    "an assumed role": (assumed_role, lambda: [{"sts:AssumeRole": {"Credentials": {"AccessKeyId": "a", "SecretAccessKey": "b", "SessionToken": "c", "Expiration": START}}}]),
    "an operator": (operator, lambda: [{"sts:GetCallerIdentity": {"Arn": f"arn:aws:iam::{ACCOUNT}:user/x"}}]),
    "Route 53": (route53, lambda: [ZONES, ZONES | NO_CHANGE]),
    "AWS Private CA": (private_ca, lambda: [PRIVATE_CA, PRIVATE_CA | IN_PROGRESS]),
    "queues and topics": (messages, lambda: [MESSAGES]),
    "KMS": (keys, lambda: [KEYS]),
    "functions": (functions, lambda: [INVOKED]),
    "S3": (bucket, lambda: [BUCKET, BUCKET | {"s3:PutObject": {"Error": {"Code": "PreconditionFailed"}}}]),
    "the stack": (doctor, lambda: [DEPLOYED]),
    "tables": (tables, lambda: [rows()]),
}  # fmt: skip

READERS = [
    Reader(f"answers of {name}", samples, partial(read, runs), changed_tree, (), cost=20)
    for name, (runs, samples) in ANSWERS.items()
]
