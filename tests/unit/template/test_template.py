"""Properties of the template that the emulator does not enforce."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from evercert.acme.challenges import HTTP_PATH
from evercert.authority.infisical_api.routes import ROUTES
from evercert.aws.clients import CALL_LIMIT
from evercert.aws.served_certificates import SPAN
from evercert.aws.tags import Owner
from evercert.aws.timeouts import SIGNER, WAITED_FOR
from evercert.environment import LOCAL_ISSUERS
from tests.iam.deployment import Deployment
from tests.tools.local_stack import ROOT
from tests.tools.template import RESOURCES, RESTORED, TEMPLATE, actions, allowed, of, statements, table_arn, table_name

STACK_NAME = {"Ref": "AWS::StackName"}
OWNER = {"Sub": "${AWS::AccountId}/${AWS::Region}/${AWS::StackName}"}  # the text of aws/tags.py's Owner
OWNERS = [OWNER, STACK_NAME]  # the previous release tagged with the stack's bare name


NOT_RESTORED = {"ConsumersTable"}  # hosts write it again


def resources(statement: dict[str, Any]) -> list[Any]:
    found = statement["Resource"]
    return found if isinstance(found, list) else [found]


@pytest.mark.parametrize("name", ["standard", "quick"])
def test_timeout_lease_and_visibility_are_consistent(name: str) -> None:
    timing = {key: int(value) for key, value in TEMPLATE["Mappings"]["Timing"][name].items()}
    assert timing["IssuerTimeout"] < timing["Lease"] < timing["Visibility"]
    assert timing["Visibility"] >= 6 * timing["IssuerTimeout"]
    assert timing["Redispatch"] > timing["Lease"]
    # A call starts only if it ends within the lease, so the lease must leave time for calls.
    assert timing["Lease"] - CALL_LIMIT.total_seconds() >= timing["IssuerTimeout"]


def test_data_resources_are_retained() -> None:
    kinds = ("AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::SNS::Topic", "AWS::S3::Bucket", "AWS::S3::BucketPolicy")
    for kind in kinds:
        assert of(kind), kind
        for name, resource in of(kind).items():
            if name in NOT_RESTORED:
                continue
            assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == (
                "RetainExceptOnCreate",
                "Retain",
            ), name
    assert RESOURCES["DeadLetters"]["DeletionPolicy"] == "RetainExceptOnCreate"


def test_named_resources_are_deleted_with_the_stack() -> None:
    """A retained resource with a fixed name would block a new deployment under the same stack name."""
    for name, resource in RESOURCES.items():
        named = {"LogGroupName", "TableName", "QueueName", "TopicName", "RoleName"} & set(resource["Properties"])
        assert not (named and "DeletionPolicy" in resource), name


def test_tables_have_backups_and_the_data_key() -> None:
    for name, table in of("AWS::DynamoDB::Table").items():
        properties = table["Properties"]
        assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}, name
        assert properties["SSESpecification"]["KMSMasterKeyId"] == {"GetAtt": "DataKey.Arn"}, name
    assert RESOURCES["CertificatesTable"]["Properties"]["TimeToLiveSpecification"]["AttributeName"] == "expires_at"

    assert RESOURCES["AuthorityTable"]["Properties"]["TimeToLiveSpecification"]["AttributeName"] == "expires_at"


def test_all_indexes_hold_keys_only() -> None:
    indexes = RESOURCES["CertificatesTable"]["Properties"]["GlobalSecondaryIndexes"]
    assert {index["IndexName"]: index["Projection"]["ProjectionType"] for index in indexes} == {
        "due": "KEYS_ONLY",
        "expiring": "KEYS_ONLY",
        "records": "KEYS_ONLY",
    }
    (index,) = RESOURCES["ConsumersTable"]["Properties"]["GlobalSecondaryIndexes"]
    assert index["Projection"]["ProjectionType"] == "KEYS_ONLY"  # items of a hostile host can be large


@pytest.mark.parametrize("name", ["Queue", "DeadLetters", "Topic"])
def test_queues_and_topic_are_encrypted_with_the_data_key(name: str) -> None:
    assert RESOURCES[name]["Properties"]["KmsMasterKeyId"] == {"GetAtt": "DataKey.Arn"}


def test_logs_expire_and_are_encrypted() -> None:
    groups = of("AWS::Logs::LogGroup")
    functions = {f"{name.removesuffix('Function')}Logs" for name in of("AWS::Serverless::Function")}
    assert set(groups) == functions | {"AuthorityAccessLogs", "AuthorityApiLogs"}
    for group in groups.values():
        assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}
        assert group["Properties"]["KmsKeyId"] == {"GetAtt": "DataKey.Arn"}


def test_template_has_no_snapstart() -> None:
    assert "SnapStart" not in str(TEMPLATE)


def test_issuer_receives_one_message_at_a_time() -> None:
    source = RESOURCES["IssuerFunction"]["Properties"]["Events"]["Nudge"]["Properties"]
    assert source["BatchSize"] == 1
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    redrive = RESOURCES["Queue"]["Properties"]["RedrivePolicy"]
    assert redrive["deadLetterTargetArn"] == {"GetAtt": "DeadLetters.Arn"}
    assert redrive["maxReceiveCount"] >= 5


def test_checker_runs_on_the_schedule_parameter() -> None:
    tick = RESOURCES["CheckerFunction"]["Properties"]["Events"]["Tick"]["Properties"]
    assert tick["ScheduleExpression"] == {"Ref": "Schedule"}
    assert TEMPLATE["Parameters"]["Schedule"]["Default"] == "rate(5 minutes)"


WITHOUT_RESOURCES = {"acm:ListCertificates", "route53:ListHostedZonesByName"}


@pytest.mark.parametrize("role", ["CheckerRole", "IssuerRole", "AuthorityRole", "SignerRole"])
def test_roles_have_no_avoidable_wildcards(role: str) -> None:
    for statement in allowed(role):
        for action in actions(statement):
            service, _, name = action.partition(":")
            assert name not in {"", "*"}, action
            # SendMessage* and Publish*: AWS has no separate actions for the batch calls
            assert "*" not in name or action in {"sqs:SendMessage*", "sns:Publish*"}, action
            if service not in {"xray", "ec2"} and action not in WITHOUT_RESOURCES:
                assert statement["Resource"] != "*", action


SEALS = {"SealKey": ("IssuerRole",), "AuthoritySealKey": ("AuthorityRole", "RenewalRole")}
DATA_STACK = {"If": ["HasRestoredStack", {"Ref": "RestoredStack"}, STACK_NAME]}
CONTEXT = {"kms:EncryptionContext:evercert:stack": DATA_STACK}
ROOT_USER = {"AWS": {"Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}


@pytest.mark.parametrize(("key", "roles"), SEALS.items())
def test_only_its_roles_use_a_seal_key(key: str, roles: tuple[str, ...]) -> None:
    """The account as principal leaves the permission to the role's own policy; the condition names the roles."""
    administration, seal = RESOURCES[key]["Properties"]["KeyPolicy"]["Statement"]
    crypto = {"kms:Encrypt", "kms:Decrypt", "kms:*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant"}
    assert not crypto & set(actions(administration))
    assert seal["Principal"] == ROOT_USER
    assert seal["Action"] == ["kms:Encrypt", "kms:Decrypt"]
    arns = [{"GetAtt": f"{role}.Arn"} for role in roles]
    only = {"aws:PrincipalArn": arns[0] if len(arns) == 1 else arns}
    assert seal["Condition"] == {"StringEquals": CONTEXT, "ArnEquals": only}
    for role in roles:
        (ours,) = [one for one in allowed(role) if one.get("Sid") == "Seal"]
        expected = ["kms:Encrypt"] if role == "RenewalRole" else seal["Action"]
        assert (actions(ours), ours["Condition"]) == (expected, {"StringEquals": CONTEXT})
    for other in set(of("AWS::IAM::Role")) - {role for roles in SEALS.values() for role in roles}:
        assert "key/*" not in str(statements(other)), other


def test_seal_keys_have_the_same_administration() -> None:
    first, second = (RESOURCES[key]["Properties"]["KeyPolicy"]["Statement"][0] for key in SEALS)
    assert first == second


def test_key_policies_name_no_principal_of_the_stack() -> None:
    """KMS refuses a role that was created moments before, and the first deployment would roll back."""
    for name, key in of("AWS::KMS::Key").items():
        for statement in key["Properties"]["KeyPolicy"]["Statement"]:
            assert statement["Principal"] == ROOT_USER or set(statement["Principal"]) == {"Service"}, name


def writable(role: str) -> dict[str, set[str]]:
    """Return the table actions of the role by resource."""
    found: dict[str, set[str]] = {}
    for statement in allowed(role):
        names = {name for name in actions(statement) if name.startswith("dynamodb:")}
        if names:
            found.setdefault(str(statement["Resource"]), set()).update(names)
    return found


READS = {"dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"}


def test_no_role_writes_what_operators_set_up_for_the_authority() -> None:
    """But for the administration, whose writes test_administration_writes_no_ca_and_no_ceiling limits."""
    configuration = str(table_arn("AuthorityConfigurationTable"))
    for role in of("AWS::IAM::Role"):
        if role != "AdministrationRole":
            assert writable(role).get(configuration, set()) <= READS, role
        others = [found for found in writable(role) if "Configuration" in found and found != configuration]
        assert not others, role


def test_only_the_signer_writes_to_the_ledger() -> None:
    ledger = str(table_arn("AuthorityLedgerTable"))
    assert writable("SignerRole")[ledger] == {"dynamodb:PutItem"}
    (put,) = [one for one in allowed("SignerRole") if "dynamodb:PutItem" in actions(one)]
    assert put["Condition"] == {"StringEqualsIfExists": {"dynamodb:ReturnValues": "NONE"}}
    for role in set(of("AWS::IAM::Role")) - {"SignerRole"}:
        assert "Ledger" not in str(statements(role)), role


AUDIT_WRITERS = {
    "AdministrationRole": "day#*",
    "AuthorityRole": "issuance#*",
    "RenewalRole": "issuance#*",
    "IssuerRole": "issuance#*",  # of certificates of external issuers
}


@pytest.mark.parametrize(("role", "keys"), AUDIT_WRITERS.items())
def test_functions_only_append_to_their_audit_trail(role: str, keys: str) -> None:
    """No read, update or deletion, and no entries of the other trail."""
    table = str(table_arn("AuthorityAuditTable"))
    assert writable(role)[table] == {"dynamodb:PutItem"}
    (put,) = [one for one in allowed(role) if table in str(one["Resource"])]
    assert list(actions(put)) == ["dynamodb:PutItem"]
    assert put["Condition"]["ForAllValues:StringLike"] == {"dynamodb:LeadingKeys": [keys]}


def test_other_functions_cannot_access_the_audit_table() -> None:
    for role in set(of("AWS::IAM::Role")) - AUDIT_WRITERS.keys():
        assert "Audit" not in str(statements(role)), role


def test_signer_accesses_only_its_two_tables() -> None:
    assert set(writable("SignerRole")) == {
        str(table_arn("AuthorityConfigurationTable")),
        str(table_arn("AuthorityLedgerTable")),
    }
    services = {action.partition(":")[0] for statement in allowed("SignerRole") for action in actions(statement)}
    assert services == {"dynamodb", "kms", "logs", "xray", "ec2"}


TABLES_KEY = {"If": ["HasRestoredDataKey", {"Ref": "RestoredDataKey"}, {"GetAtt": "DataKey.Arn"}]}


ACCOUNT_KEYS = {"SignForAccounts", "LookAtAccountKeys"}  # test_account_keys_sign_digests_only


def test_no_role_may_sign_without_a_key_policy() -> None:
    """`evercert authority init` creates the signing keys, and their key policies name the signer's role."""
    for role in of("AWS::IAM::Role"):
        for statement in allowed(role):
            for action in actions(statement):
                if action.startswith("kms:") and statement.get("Sid") not in {"Seal", *ACCOUNT_KEYS}:
                    assert action in {"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:DescribeKey"}, role
                    # SecretKeys: through Secrets Manager only (test_keys_of_secrets_are_used_only_by_secrets_manager)
                    # RestoredDataKey: through DynamoDB only (tests/unit/template/test_restored_keys.py)
                    keys = ({"GetAtt": "DataKey.Arn"}, {"Ref": "SecretKeys"}, {"Ref": "RestoredDataKey"}, TABLES_KEY)
                    assert statement["Resource"] in keys, role
                    if statement["Resource"] == TABLES_KEY:
                        assert statement["Condition"]["StringEquals"]["kms:ViaService"]["Sub"].startswith("dynamodb.")
    for key in of("AWS::KMS::Key").values():
        assert "KeySpec" not in key["Properties"]


def test_authority_role_has_no_scan_and_invokes_only_the_signer() -> None:
    for resource, names in writable("AuthorityRole").items():
        assert "dynamodb:Scan" not in names, resource
    (call,) = [one for one in allowed("AuthorityRole") if "lambda:InvokeFunction" in actions(one)]
    assert call["Resource"] == {"GetAtt": "SignerFunction.Arn"}
    for role in set(of("AWS::IAM::Role")) - {"AuthorityRole", "RenewalRole", "IssuerRole"}:
        assert not any(action.startswith("lambda:") for one in statements(role) for action in actions(one)), role


def test_responder_reads_only_answers_and_serves_one_path() -> None:
    assert TEMPLATE["Parameters"]["Responder"]["Default"] == "no"
    for name, resource in RESOURCES.items():
        assert name.startswith("Responder") == (resource.get("Condition") == "HasResponder"), name
    (read,) = [one for one in allowed("ResponderRole") if one["Action"] == "dynamodb:GetItem"]
    assert read["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["http-01#*"]}}
    assert list(writable("ResponderRole").values()) == [{"dynamodb:GetItem"}]
    assert RESOURCES["ResponderRoute"]["Properties"]["RouteKey"] == f"GET {HTTP_PATH}{{token}}"
    assert RESOURCES["ResponderStage"]["Properties"]["DefaultRouteSettings"]["ThrottlingRateLimit"] <= 50
    assert RESOURCES["ResponderApiPermission"]["Properties"]["SourceArn"]["Sub"].endswith(":${ResponderApi}/*")


def test_issuer_invokes_only_the_validator_and_only_for_probes() -> None:
    without, probes = (Deployment({"Probes": one}).properties("IssuerRole") for one in ("no", "yes"))
    found = [
        [one for one in role["Policies"][0]["PolicyDocument"]["Statement"] if "lambda:InvokeFunction" in actions(one)]
        for role in (without, probes)
    ]
    assert found[0] == []
    (call,) = found[1]
    assert call["Resource"].endswith(":function:ValidatorFunction")
    (call,) = [one for one in allowed("IssuerRole") if "lambda:InvokeFunction" in actions(one)]
    assert call["Resource"] == {"GetAtt": "ValidatorFunction.Arn"}


def test_issuer_only_reads_what_consumers_write() -> None:
    found = {
        one["Sid"]: actions(one) for one in allowed("IssuerRole") if "ConsumersTable" in json.dumps(one["Resource"])
    }
    assert found == {"ReadConsumers": ["dynamodb:BatchGetItem"], "ListConsumers": ["dynamodb:Query"]}
    for role in set(of("AWS::IAM::Role")) - {"IssuerRole"}:
        assert not any("ConsumersTable" in json.dumps(one.get("Resource")) for one in statements(role)), role


def test_validator_without_authority_can_only_write_its_log() -> None:
    """It connects to hosts that others choose: an attacker who takes it over gains nothing of the stack."""
    role = Deployment({"Probes": "yes"}).properties("ValidatorRole")
    found = [one for one in role["Policies"][0]["PolicyDocument"]["Statement"] if one.get("Sid") != "NetworkInterfaces"]
    assert {action for one in found for action in actions(one)} == {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "xray:PutTraceSegments",
        "xray:PutTelemetryRecords",
    }


def test_validator_is_deployed_for_authority_or_probes() -> None:
    assert TEMPLATE["Parameters"]["Probes"]["Default"] == "no"
    assert TEMPLATE["Conditions"]["HasValidator"] == {"Or": [{"Condition": "HasAuthority"}, {"Condition": "HasProbes"}]}
    conditions = {name: RESOURCES[name].get("Condition") for name in RESOURCES if name.startswith("Validat")}
    assert {name for name, one in conditions.items() if one == "HasAuthority"} == {
        "ValidationQueue",
        "ValidatorFunctionChallenge",
    }
    assert set(conditions.values()) == {"HasAuthority", "HasValidator"}


def test_report_of_a_probe_comes_before_the_limit_of_its_caller() -> None:
    limit = RESOURCES["ValidatorFunction"]["Properties"]["Timeout"]
    assert SPAN.total_seconds() + 3 < SIGNER.read < limit


def test_issuer_deletes_no_items() -> None:
    """Answers and leases lose their attributes instead, and DynamoDB deletes the rest at its expiry."""
    for role in ("CheckerRole", "IssuerRole", "ResponderRole"):
        assert not any(name.startswith("dynamodb:Delete") for one in allowed(role) for name in actions(one)), role


def test_authority_resources_depend_on_the_parameter() -> None:
    assert TEMPLATE["Parameters"]["Authority"]["Default"] == "no"
    for name, resource in RESOURCES.items():
        ours = name.startswith(
            (
                "Administration",
                "Authority",
                "CaEnding",
                "CrlStale",
                "Manage",
                "Renewal",
                "RootCrlEnding",
                "Signer",
                "ValidationQueue",
                "ValidatorFunctionChallenge",
            )
        )
        assert ours == (resource.get("Condition") == "HasAuthority"), name
    for name, output in TEMPLATE["Outputs"].items():
        assert name.startswith(("Authority", "Renewal", "Signer")) == (output.get("Condition") == "HasAuthority"), name


ADDRESS = {"If": ["HasAuthorityAddress", {"Ref": "AuthorityAddress"}, {"GetAtt": "AuthorityApi.ApiEndpoint"}]}


RESTORED_HOST = {"Sub": "${RestoredBucket}.s3.${AWS::Region}.${AWS::URLSuffix}"}
BUCKET_HOST = {"If": ["HasRestoredBucket", RESTORED_HOST, {"GetAtt": "AuthorityBucket.RegionalDomainName"}]}
BUCKET_ADDRESS = {"Sub": ["http://${Host}", {"Host": BUCKET_HOST}]}
PUBLISHED = {
    "If": ["HasPublishedAddress", {"Ref": "PublishedAddress"}, {"If": ["IsBucketPublic", BUCKET_ADDRESS, ADDRESS]}]
}


@pytest.mark.parametrize(
    ("address", "valid"),
    [
        ("", True), ("http://pki.example.com", True), ("https://ca.example.com:8443", True), ("ftp://x", False),
        ("http://pki.example.com/", False), ("http://a b", False), ("http://", False), ("http://x/y", False),
    ],
)  # fmt: skip
def test_published_address_is_http_or_https_without_path(address: str, valid: bool) -> None:
    pattern = TEMPLATE["Parameters"]["PublishedAddress"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, address)) == valid
    assert TEMPLATE["Parameters"]["PublishedAddress"]["Default"] == ""


def test_functions_and_outputs_share_the_authority_address() -> None:
    assert TEMPLATE["Outputs"]["AuthorityAddress"]["Value"] == ADDRESS
    front, signer = (
        RESOURCES[name]["Properties"]["Environment"]["Variables"]["AUTHORITY_ADDRESS"]
        for name in ("AuthorityFunction", "SignerFunction")
    )
    assert front == ADDRESS
    assert signer == TEMPLATE["Outputs"]["AuthorityPublishedAddress"]["Value"] == PUBLISHED
    hosts = RESOURCES["IssuerFunction"]["Properties"]["Environment"]["Variables"]["ISSUER_HOSTS"]
    assert hosts["If"][1]["Sub"][1]["Own"] == {"Select": [2, {"Split": ["/", ADDRESS]}]}


def test_downloads_and_logins_have_their_own_throttles() -> None:
    """The routes of the management API have the throttle of all others, each its own."""
    routes = {
        name: route["Properties"]["RouteKey"]
        for name, route in of("AWS::ApiGatewayV2::Route").items()
        if route["Properties"]["Target"]["Sub"] == "integrations/${AuthorityIntegration}"
    }
    stage = RESOURCES["AuthorityStage"]
    settings = stage["Properties"]["RouteSettings"]
    assert set(settings) == set(routes.values()) - {"$default"}
    assert set(stage["DependsOn"]) == {name for name, key in routes.items() if key != "$default"}
    for key, throttle in settings.items():
        assert throttle["ThrottlingRateLimit"] <= 50, key
        assert throttle["ThrottlingBurstLimit"] <= 100, key
    prefixes = [key.removeprefix("ANY ").removesuffix("{proxy+}") for key in settings]
    served = {route.template for route in ROUTES if route.template.startswith(tuple(prefixes)) and not route.login}
    assert {route.template for route in ROUTES if route.cached or "/auth/" in route.template} == served


def test_api_is_throttled_logged_and_invoked_only_by_its_gateway() -> None:
    stage = RESOURCES["AuthorityStage"]["Properties"]
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] <= 100
    assert stage["AccessLogSettings"]["DestinationArn"] == {"GetAtt": "AuthorityAccessLogs.Arn"}
    assert "path" not in stage["AccessLogSettings"]["Format"].lower()
    permission = RESOURCES["AuthorityApiPermission"]["Properties"]
    assert permission["SourceArn"]["Sub"].endswith(":${AuthorityApi}/*")
    assert permission["FunctionName"] == {"Ref": "AuthorityFunction"}


def test_signer_timeout_is_below_its_callers_timeout() -> None:
    timeouts = {name: RESOURCES[f"{name}Function"]["Properties"]["Timeout"] for name in ("Authority", "Signer")}
    waits = RESOURCES["AuthorityIntegration"]["Properties"]["TimeoutInMillis"] / 1000
    cold_start = 3
    assert timeouts["Signer"] + cold_start <= SIGNER.read
    assert (
        timedelta(seconds=timeouts["Signer"]) >= 2 * WAITED_FOR.call
    )  # leaves time for a second call after a slow one
    # The rest is for the authority's work before and after the signer's call.
    assert SIGNER.call.total_seconds() + WAITED_FOR.call.total_seconds() < timeouts["Authority"] < waits


def test_revocation_lists_have_a_schedule() -> None:
    crl = RESOURCES["AuthorityFunction"]["Properties"]["Events"]["Crl"]["Properties"]
    assert crl["ScheduleExpression"] == "rate(1 day)"
    assert json.loads(crl["Input"]) == {"task": "crl"}


def test_issuer_reads_only_credentials_of_its_region() -> None:
    here = "${AWS::Region}:${AWS::AccountId}"
    readable = {
        "secretsmanager:GetSecretValue": f"arn:${{AWS::Partition}}:secretsmanager:{here}:secret:evercert/credentials/*",
        "ssm:GetParameter": f"arn:${{AWS::Partition}}:ssm:{here}:parameter/evercert/credentials/*",
    }
    found = {}
    for statement in allowed("IssuerRole"):
        assert "secretsmanager:BatchGetSecretValue" not in actions(statement)
        if ":parameter/evercert/certificates/" in str(statement["Resource"]):
            continue  # tests/unit/template/test_destinations.py: NoDecryption
        if any(action in readable or action.startswith("ssm:") for action in actions(statement)):
            (action,) = actions(statement)
            found[action] = statement["Resource"]["Sub"]
    assert found == readable


def test_issuer_cannot_write_credentials() -> None:
    for statement in allowed("IssuerRole"):
        if "credentials" in str(statement["Resource"]):
            assert actions(statement) in (["secretsmanager:GetSecretValue"], ["ssm:GetParameter"])


def test_issuer_hosts_default_to_infisical_cloud() -> None:
    assert TEMPLATE["Parameters"]["IssuerHosts"]["Default"] == "app.infisical.com,us.infisical.com,eu.infisical.com"
    variables = RESOURCES["IssuerFunction"]["Properties"]["Environment"]["Variables"]
    listed = {"Join": [",", {"Ref": "IssuerHosts"}]}
    condition, with_our_own, without = variables["ISSUER_HOSTS"]["If"]
    assert (condition, without) == ("HasAuthority", listed)
    assert (with_our_own["Sub"][0], with_our_own["Sub"][1]["Hosts"]) == ("${Hosts},${Own}", listed)


def test_template_cannot_allow_loopback_issuers() -> None:
    assert LOCAL_ISSUERS not in (ROOT / "template.yaml").read_text()


def test_secrets_are_written_only_with_our_tag() -> None:
    for statement in allowed("IssuerRole"):
        names = set(actions(statement))
        if names & {
            "secretsmanager:PutSecretValue",
            "secretsmanager:UpdateSecretVersionStage",
            "secretsmanager:RestoreSecret",
        }:
            assert statement["Condition"] == {"StringEquals": {"aws:ResourceTag/evercert:stack": OWNERS}}
        if names & {"secretsmanager:CreateSecret", "secretsmanager:TagResource"}:
            assert statement["Condition"]["StringEquals"] == {"aws:RequestTag/evercert:stack": OWNER}
        if "secretsmanager:TagResource" in names:  # else the role could make another stack's secret its own
            assert statement["Condition"]["StringEqualsIfExists"] == {"aws:ResourceTag/evercert:stack": OWNER}
        if "sts:AssumeRole" in names:
            assert statement["Condition"] == {"StringEquals": {"sts:ExternalId": {"Ref": "AWS::StackId"}}}
        if any(name.startswith("secretsmanager:") for name in names - {"secretsmanager:GetSecretValue"}):
            for resource in resources(statement):
                prefix = str(resource.get("Sub")).endswith(":secret:evercert/certificates/*")
                assert prefix or resource == {"Ref": "SecretArns"}


def test_keys_of_secrets_are_used_only_by_their_services() -> None:
    (statement,) = [statement for statement in allowed("IssuerRole") if statement.get("Sid") == "KeysOfSecrets"]
    assert statement["Resource"] == {"Ref": "SecretKeys"}
    assert set(actions(statement)) == {"kms:Encrypt", "kms:GenerateDataKey", "kms:Decrypt"}
    services = [{"Sub": "secretsmanager.*.${AWS::URLSuffix}"}, {"Sub": "ssm.*.${AWS::URLSuffix}"}]
    assert statement["Condition"] == {"StringLike": {"kms:ViaService": services}}
    (objects,) = [statement for statement in allowed("IssuerRole") if statement.get("Sid") == "KeysOfObjects"]
    assert (actions(objects), objects["Resource"]) == (["kms:GenerateDataKey"], {"Ref": "SecretKeys"})
    assert objects["Condition"] == {"StringLike": {"kms:ViaService": {"Sub": "s3.*.${AWS::URLSuffix}"}}}


def test_account_keys_sign_digests_only() -> None:
    """IAM lets the issuer sign with listed keys only, and only with the algorithms of ACME."""
    sign, look = [statement for statement in allowed("IssuerRole") if statement.get("Sid") in ACCOUNT_KEYS]
    assert [actions(sign), actions(look)] == [["kms:Sign"], ["kms:GetPublicKey"]]
    assert sign["Resource"] == look["Resource"] == {"Ref": "AccountKeys"}
    algorithms = ["ECDSA_SHA_256", "ECDSA_SHA_384", "RSASSA_PKCS1_V1_5_SHA_256"]
    assert sign["Condition"] == {"StringEquals": {"kms:MessageType": "DIGEST", "kms:SigningAlgorithm": algorithms}}
    for role in set(of("AWS::IAM::Role")) - {"IssuerRole"}:
        assert not [one for one in allowed(role) if one.get("Sid") in ACCOUNT_KEYS], role


def test_certificates_are_imported_only_with_our_tag() -> None:
    for statement in allowed("IssuerRole"):
        names = {name for name in actions(statement) if name.startswith("acm:")}
        if not names & {"acm:ImportCertificate", "acm:AddTagsToCertificate"}:
            looks = {"acm:GetCertificate", "acm:ListTagsForCertificate"}
            assert names <= looks | {"acm:ListCertificates"}
            continue
        equal = statement["Condition"]["StringEquals"]
        tags = {key: value for key, value in equal.items() if "Tag/" in key}
        if "acm:AddTagsToCertificate" in names:
            assert tags == {"aws:RequestTag/evercert:stack": OWNER}
            # else the role could make another stack's certificate its own
            assert statement["Condition"]["StringEqualsIfExists"] == {"aws:ResourceTag/evercert:stack": OWNER}
        else:
            assert tags == {"aws:ResourceTag/evercert:stack": OWNERS}
        assert {"Sub": "arn:${AWS::Partition}:acm:*:${AWS::AccountId}:certificate/*"} in resources(statement)


def test_old_tag_grants_no_creation_and_no_tags() -> None:
    """The bare name is removed with the next release."""
    found = [one for one in allowed("IssuerRole") if str(OWNERS) in str(one.get("Condition"))]
    assert {one["Sid"] for one in found} == {"WriteSecrets", "WriteNamedSecrets", "NextAcmImports"}
    for statement in found:
        assert not [action for action in actions(statement) if "Tag" in action or "Create" in action]
    for statement in allowed("IssuerRole"):
        condition = str(statement.get("Condition"))
        assert statement in found or "Tag/evercert:stack" not in condition or str(STACK_NAME) not in condition


def test_owner_in_the_template_is_the_one_of_the_code() -> None:
    owner = Owner("111122223333", "eu-central-1", "evercert")
    text = OWNER["Sub"].replace("${AWS::AccountId}", owner.account).replace("${AWS::Region}", owner.region)
    assert text.replace("${AWS::StackName}", owner.stack) == str(owner)


def test_secrets_and_certificates_are_limited_to_listed_regions() -> None:
    listed = {"Sub": ["${AWS::Region},${More}", {"More": {"Join": [",", {"Ref": "DestinationRegions"}]}}]}
    regions = {"If": ["HasDestinationRegions", {"Split": [",", listed]}, {"Ref": "AWS::Region"}]}
    (refusal,) = [one for one in statements("IssuerRole") if one.get("Sid") == "NoOtherRegions"]
    assert refusal["Effect"] == "Deny"
    services = {action.removesuffix(":*") for action in refusal["Action"]}
    assert refusal["Condition"] == {"StringNotEquals": {"aws:RequestedRegion": regions}}
    assert refusal["Resource"] == "*"
    for statement in allowed("IssuerRole"):
        if not services & {action.partition(":")[0] for action in actions(statement)}:
            assert ":*:" not in str(statement["Resource"]), statement
    assert services == {"secretsmanager", "acm", "ssm", "s3"}


def test_checker_has_no_access_to_issuers_topic_and_secrets() -> None:
    services = {action.partition(":")[0] for statement in allowed("CheckerRole") for action in actions(statement)}
    assert services == {"dynamodb", "sqs", "kms", "logs", "xray", "ec2"}


def test_topic_policy_grants_no_publish() -> None:
    (policy,) = of("AWS::SNS::TopicPolicy").values()
    for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
        assert not any("Publish" in action or action.endswith("*") for action in actions(statement))


def references(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the names of tables that a value refers to, with the smallest mapping or list around each."""
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        if isinstance(one, dict) and {"Ref", "GetAtt"} & set(one) and isinstance(next(iter(one.values())), str):
            name = next(iter(one.values())).partition(".")[0]
            if name in RESTORED:
                yield name, value
        yield from references(one)


def test_restored_copy_replaces_the_stacks_table_everywhere() -> None:
    """A reference outside such a condition would still name the lost table."""
    found = list(references({"resources": RESOURCES, "outputs": TEMPLATE["Outputs"]}))
    found = [one for one in found if one[0] not in NOT_RESTORED]
    assert {name for name, _ in found} == set(RESTORED)
    for name, around in found:
        assert around == table_name(name)["If"], around
    assert "Table.Arn}" not in (ROOT / "template.yaml").read_text()


def test_restored_tables_are_named_by_parameters() -> None:
    for table, parameter in RESTORED.items():
        assert TEMPLATE["Parameters"][parameter]["Default"] == ""
        assert TEMPLATE["Conditions"][f"Has{parameter}"] == {"Not": [{"Equals": [{"Ref": parameter}, ""]}]}
        assert of("AWS::DynamoDB::Table")[table]
    assert set(RESTORED) == set(of("AWS::DynamoDB::Table")) - NOT_RESTORED


def test_tables_are_protected_on_request_only() -> None:
    """Protected tables would keep CloudFormation from undoing a failed first deployment."""
    assert TEMPLATE["Parameters"]["TableProtection"]["Default"] == "no"
    for name, table in of("AWS::DynamoDB::Table").items():
        if name in NOT_RESTORED:
            assert "DeletionProtectionEnabled" not in table["Properties"]  # the parameter could not be taken back
            continue
        assert table["Properties"]["DeletionProtectionEnabled"] == {"If": ["HasTableProtection", True, False]}


def test_sweep_is_a_scheduled_task_of_the_checker() -> None:
    sweep = RESOURCES["CheckerFunction"]["Properties"]["Events"]["Sweep"]["Properties"]
    assert sweep["ScheduleExpression"] == {"Ref": "SweepSchedule"}
    assert json.loads(sweep["Input"]) == {"task": "sweep"}
    assert sweep["RetryPolicy"] == {"MaximumRetryAttempts": 0}
    assert "Input" not in RESOURCES["CheckerFunction"]["Properties"]["Events"]["Tick"]["Properties"]


ZONES_AND_ROLES = {
    "HostedZones": ",".join(f"Z0123456789ABCDEFGHI{number}" for number in range(5)),
    "SolverRoles": ",".join(f"arn:aws:iam::11112222333{number}:role/evercert-challenges" for number in range(3)),
}
AUTHORITY = "arn:aws:acm-pca:eu-central-1:111122223333:certificate-authority/12345678-1234-1234-1234-12345678901"
PRIVATE_CAS = {"PrivateCaArns": ",".join(f"{AUTHORITY}{number}" for number in range(3))}


@pytest.mark.parametrize(
    ("secrets", "more"),
    [(20, {}), (15, ZONES_AND_ROLES), (15, PRIVATE_CAS), (10, ZONES_AND_ROLES | PRIVATE_CAS)],
    ids=["secrets", "zones", "CAs", "all"],
)
def test_role_policies_stay_below_the_iam_size_limit(secrets: int, more: dict[str, str]) -> None:
    """IAM allows 10,240 characters without white space per role, and 6,144 per managed policy.

    docs/reference/parameters.md names the number of ARNs.
    """
    place = "arn:aws:secretsmanager:eu-central-1:111122223333:secret"
    many = ",".join(
        f"{place}:production/team/some-service/tls-certificate-{number}-AbCdEf" for number in range(secrets)
    )
    names = {name: f"evercert-of-the-platform-team-{name}-ABCDEFGHIJKL" for name in of("AWS::DynamoDB::Table")}
    deployment = Deployment(
        {
            "Authority": "yes",
            "Responder": "yes",
            "Probes": "yes",
            "Acknowledgements": "yes",
            "ReportBucket": "reports-of-the-platform-team",
            "SecretArns": many,
            "DestinationRegions": "us-east-1,eu-west-1",
            "DestinationBuckets": ",".join(f"arn:aws:s3:::certificates-of-the-platform-team-{n}" for n in range(5)),
            "SecretKeys": ",".join(f"arn:aws:kms:eu-central-1:111122223333:key/{'1234abcd-' * 4}{n}" for n in range(3)),
            **more,
        },
        stack="evercert-of-the-platform-team",
        account="111122223333",
        physical=names,
    )
    for role in of("AWS::IAM::Role"):
        policies = deployment.properties(role)["Policies"]
        assert sum(_size(one) for one in policies) <= 10_240, role
    for policy in of("AWS::IAM::ManagedPolicy"):
        assert _size(deployment.properties(policy)) <= 6_144, policy


def _size(policy: dict[str, Any]) -> int:
    return len(json.dumps(policy["PolicyDocument"], separators=(",", ":")))


def test_functions_have_their_log_group_and_two_layers() -> None:
    shared = TEMPLATE["Globals"]["Function"]
    assert shared["Layers"] == [{"Ref": "DependenciesLayer"}, {"Ref": "EvercertLayer"}]
    assert shared["LoggingConfig"] == {"LogFormat": "JSON"}
    for name, function in of("AWS::Serverless::Function").items():
        assert function["Properties"]["LoggingConfig"]["LogGroup"] == {"Ref": f"{name.removesuffix('Function')}Logs"}


def test_parameter_defaults_are_for_aws() -> None:
    parameters = TEMPLATE["Parameters"]
    assert (parameters["Runtime"]["Default"], parameters["Architecture"]["Default"]) == ("python3.13", "arm64")
    assert parameters["Timing"]["Default"] == "standard"


def test_template_has_no_alias() -> None:
    """SAM publishes no version for a new layer, so an alias would stay on the old one (decisions/0005-no-alias.md)."""
    assert "AutoPublishAlias" not in str(TEMPLATE)
