"""The API function as Lambda loads it, with its adapters on the emulator; the signer is called directly."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest
from cryptography import x509

from evercert.authority.ca.public_paths import certificate_path, crl_path
from evercert.authority.infisical_api.settings import AuthoritySettings
from evercert.authority.policy.policy import Policy
from evercert.aws.authority import signer_client
from evercert.aws.authority.configuration_writer import ConfigurationWriter
from evercert.aws.authority.issuance_trail_reader import IssuanceTrailReader
from evercert.errors import Misconfigured
from evercert.pki.keys import PrivateKey
from tests.doubles.authority.authority import ANYTHING, Setting
from tests.doubles.authority.client import CERTIFICATES, MANAGER, NAMES, USAGES, csr
from tests.doubles.authority.server import event_of
from tests.doubles.read_meter import ReadMeter
from tests.doubles.world import World
from tests.functions.conftest import event
from tests.samples import foreign
from tests.tools.local_stack import ROOT

NEEDED = (
    "STACK_NAME", "AUTHORITY_CONFIGURATION", "AUTHORITY_TABLE", "AUDIT_TABLE", "AUTHORITY_BUCKET",
    "AUTHORITY_SEAL_KEY", "SIGNER_FUNCTION", "AUTHORITY_ADDRESS", "STS_REGIONS", "VALIDATION_QUEUE",
    "QUEUE_URL",
)  # fmt: skip


@pytest.fixture
def setting(world: World, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Setting:
    """Configure the authority, in memory and in the table."""
    made = Setting(lambda: datetime.now(UTC))
    values = {
        "AUTHORITY_CONFIGURATION": world.authority_table("AuthorityConfigurationTable"),
        "AUTHORITY_TABLE": world.authority_table("AuthorityTable"),
        "AUDIT_TABLE": world.authority_table("AuthorityAuditTable"),
        "AUTHORITY_BUCKET": world.authority_bucket(),
        "AUTHORITY_SEAL_KEY": world.authority_seal_key,
        "SIGNER_FUNCTION": "signer",
        "AUTHORITY_ADDRESS": made.address,
        "STS_REGIONS": "eu-central-1, eu-west-1",
        "VALIDATION_QUEUE": "https://sqs/queue",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def front(setting: Setting, function: Callable[..., ModuleType], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(signer_client, "SignerFunction", lambda *_: setting.signer)
    return function("authority")


def call(
    front: ModuleType, context: Any, method: str, target: str, body: Any = None, token: str = ""
) -> tuple[int, Any]:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    raw = b"" if body is None else json.dumps(body).encode()
    answer = front.handler(event_of(method, target, headers, raw), context)
    return answer["statusCode"], answer["body"] if answer.get("isBase64Encoded") else json.loads(answer["body"])


def bucket(world: World) -> dict[str, bytes]:
    """Return the objects of the bucket by key."""
    place = {"Bucket": os.environ["AUTHORITY_BUCKET"]}
    found = world.operator.s3.list_objects_v2(**place).get("Contents", [])
    return {one["Key"]: world.operator.s3.get_object(**place, Key=one["Key"])["Body"].read() for one in found}


def test_api_function_from_login_to_revocation(front: ModuleType, setting: Setting, world: World, context: Any) -> None:
    identity, secret = setting.identity()
    profile, application = setting.profile(), setting.application("shop-app", "shop", "tls-server")
    configuration = ConfigurationWriter(world.operator.dynamodb, os.environ["AUTHORITY_CONFIGURATION"])
    configuration.write(*setting.cas.values(), profile, application, identity)
    login = {"clientId": identity.universal.client_id if identity.universal else "", "clientSecret": secret}
    status, said = call(front, context, "POST", "/api/v1/auth/universal-auth/login", login)
    assert status == 200
    token = said["accessToken"]
    assert call(front, context, "GET", f"{MANAGER}/applications/by-name/shop-app", token=token)[0] == 200
    body = {"profileId": profile.id, "attributes": {**NAMES, **USAGES, "ttl": "90d", "keyAlgorithm": "EC_prime256v1"}}
    status, said = call(front, context, "POST", CERTIFICATES, body, token)
    assert status == 200, said
    issued = said["certificate"]
    target = f"{CERTIFICATES}/{issued['certificateId']}"
    assert call(front, context, "GET", f"{target}/bundle", token=token)[1]["privateKey"] == issued["privateKey"]
    status, renewed = call(front, context, "POST", f"{target}/renew", {}, token)
    assert status == 200, renewed
    told = call(front, context, "GET", target, token=token)[1]["certificate"]
    assert told["latestRenewalCertificateId"] == renewed["certificateId"]
    listed = call(front, context, "GET", f"{MANAGER}/certificate-profiles/{profile.id}/certificates", token=token)[1]
    assert listed["totalCount"] == 2
    found = call(front, context, "POST", f"{CERTIFICATES}/search", {"name": "*.example.com"}, token)[1]["certificates"]
    assert {one["id"] for one in found} == {issued["certificateId"], renewed["certificateId"]}
    assert call(front, context, "POST", f"{target}/renew", {}, token)[0] == 400  # refused, and recorded
    assert call(front, context, "POST", f"{target}/revoke", {"revocationReason": "SUPERSEDED"}, token)[0] == 200
    status, der = call(front, context, "GET", f"{MANAGER}/crl/{told['caId']}/der")
    (entry,) = x509.load_der_x509_crl(base64.b64decode(der))
    assert f"{entry.serial_number:040x}" == issued["serialNumber"]
    trail = IssuanceTrailReader(world.operator.dynamodb, os.environ["AUDIT_TABLE"])
    now = datetime.now(UTC)
    answers = [(one.action, one.result) for one in trail.entries(now - timedelta(minutes=5), now)]
    assert answers == [("revoke", "revoked"), ("renew", "refused"), ("renew", "issued"), ("issue", "issued")]
    assert bucket(world)[crl_path(told["caId"])[1:]] == base64.b64decode(der)
    assert sorted(front.handler({"task": "crl"}, context)["published"]) == ["EC-issuing", "RSA-issuing"]
    paths = {crl_path(ca.id) for ca in setting.cas.values() if ca.kind == "issuing"}
    paths |= {certificate_path(ca.id, ca.current.id) for ca in setting.cas.values()}
    assert bucket(world).keys() == {path[1:] for path in paths}  # the root has no list yet


def test_api_function_records_decisions_and_changes(
    front: ModuleType, setting: Setting, world: World, context: Any
) -> None:
    """The front may only put items into the trail, also in the transactions of decisions and changes."""
    identities = [setting.identity(), setting.identity("approve", name="approver")]
    profile = setting.profile(approval={"renewals": False})
    configuration = ConfigurationWriter(world.operator.dynamodb, os.environ["AUTHORITY_CONFIGURATION"])
    configuration.write(*setting.cas.values(), profile, *(identity for identity, _ in identities))
    own, others = (front._services().access_tokens.issue(identity)["accessToken"] for identity, _ in identities)
    attributes = {**NAMES, **USAGES, "ttl": "90d", "keyAlgorithm": "EC_prime256v1"}
    body = {"profileId": profile.id, "attributes": attributes}
    requests = f"{CERTIFICATES}/certificate-requests"
    ids = [call(front, context, "POST", CERTIFICATES, body, own)[1]["certificateRequestId"] for _ in range(3)]
    assert call(front, context, "POST", f"{requests}/{ids[0]}/approve", {}, others)[1]["status"] == "issued"
    assert call(front, context, "POST", f"{requests}/{ids[1]}/reject", {}, others)[1]["status"] == "rejected"
    assert call(front, context, "POST", f"{requests}/{ids[2]}/cancel", {}, own)[1]["cancelled"]
    name = call(front, context, "GET", f"{requests}/{ids[0]}", token=own)[1]["certificateId"]
    assert call(front, context, "PATCH", f"{CERTIFICATES}/{name}/config", {"renewBeforeDays": 9}, own)[0] == 200
    refused = {"attributes": {"keyUsages": ["key_cert_sign"]}}
    assert call(front, context, "POST", f"{CERTIFICATES}/{name}/renew", refused, own)[0] == 400
    stored = call(front, context, "GET", f"{CERTIFICATES}/{name}", token=own)[1]["certificate"]
    assert stored["renewalError"].startswith("renewal refused: ")
    trail = IssuanceTrailReader(world.operator.dynamodb, os.environ["AUDIT_TABLE"])
    now = datetime.now(UTC)
    found = sorted((one.action, one.result) for one in trail.entries(now - timedelta(minutes=5), now))
    issues = [("issue", result) for result in ("failed", "failed", "issued", "pending", "pending", "pending")]
    assert found == [
        ("approve", "approved"),
        ("configure", "changed"),
        *issues,
        ("reject", "rejected"),
        ("renew", "refused"),
    ]


def test_api_function_imports_a_certificate(front: ModuleType, setting: Setting, world: World, context: Any) -> None:
    identity, secret = setting.identity("administer", "read-key")
    configuration = ConfigurationWriter(world.operator.dynamodb, os.environ["AUTHORITY_CONFIGURATION"])
    configuration.write(*setting.cas.values(), setting.profile(), identity)
    login = {"clientId": identity.universal.client_id if identity.universal else "", "clientSecret": secret}
    token = call(front, context, "POST", "/api/v1/auth/universal-auth/login", login)[1]["accessToken"]
    key, end = PrivateKey.generate("EC_prime256v1"), datetime.now(UTC) + timedelta(days=30)
    certificate = foreign.pem(foreign.certificate(key, not_valid_after=end))
    body = {"certificatePem": certificate, "privateKeyPem": key.pem()}
    status, said = call(front, context, "POST", f"{CERTIFICATES}/import-certificate", body, token)
    assert status == 200, said
    assert call(front, context, "POST", f"{CERTIFICATES}/import-certificate", body, token) == (200, said)
    target = f"{CERTIFICATES}/{said['certificateId']}"
    assert call(front, context, "GET", f"{target}/bundle", token=token)[1]["privateKey"].strip() == key.pem().strip()
    metadata = {"metadata": [{"key": "team", "value": "web"}]}
    assert call(front, context, "PATCH", target, metadata, token) == (200, metadata)
    assert call(front, context, "POST", f"{target}/revoke", {"revocationReason": "SUPERSEDED"}, token)[0] == 400


def warm(
    front: ModuleType, setting: Setting, world: World, context: Any
) -> tuple[ConfigurationWriter, Callable[[], Any]]:
    """Issue certificates until the function knows what a request needs; return the configuration and a request."""
    identity, _ = setting.identity()
    profile = setting.profile()
    configuration = ConfigurationWriter(world.operator.dynamodb, os.environ["AUTHORITY_CONFIGURATION"])
    configuration.write(*setting.cas.values(), profile, identity)
    token = front._services().access_tokens.issue(identity)["accessToken"]
    body = {"profileId": profile.id, "csr": csr()[1], "attributes": {"ttl": "90d"}}

    def request() -> tuple[int, Any]:
        return call(front, context, "POST", CERTIFICATES, body, token)

    for _ in range(3):
        assert request()[0] == 200
    return configuration, request


def test_warm_request_reads_one_batch(front: ModuleType, setting: Setting, world: World, context: Any) -> None:
    _, request = warm(front, setting, world, context)
    with ReadMeter(front._clients().dynamodb) as meter:
        assert request()[0] == 200
    assert meter.calls == {"BatchGetItem": 1, "TransactWriteItems": 2}


def narrowed(configuration: ConfigurationWriter) -> None:
    (profile,) = configuration.profiles()
    rules = {**ANYTHING, "sans": [{"type": "dns_name", "allowed": ["*.example.org"]}]}
    configuration.write(profile.model_copy(update={"policy": Policy.model_validate(rules)}))


def withdrawn(configuration: ConfigurationWriter) -> None:
    (identity,) = configuration.identities()
    configuration.write(identity.model_copy(update={"grants": ()}))


def deleted(configuration: ConfigurationWriter) -> None:
    configuration.remove(*configuration.identities())


def disabled(configuration: ConfigurationWriter) -> None:
    cas = [ca for ca in configuration.cas() if ca.kind == "issuing"]
    configuration.write(*(ca.model_copy(update={"status": "disabled"}) for ca in cas))


CHANGES = [
    (narrowed, 400, "dns_name"),
    (withdrawn, 403, "issue-cert"),
    (deleted, 403, "log in again"),
    (disabled, 400, "disabled"),
]


@pytest.mark.parametrize(("change", "status", "said"), CHANGES, ids=lambda value: getattr(value, "__name__", ""))
def test_change_counts_from_the_next_request(
    front: ModuleType, setting: Setting, world: World, context: Any, change: Any, status: int, said: str
) -> None:
    configuration, request = warm(front, setting, world, context)
    change(configuration)
    found, body = request()
    assert found == status and said in body["message"]


def test_revoked_token_is_refused_at_once(front: ModuleType, setting: Setting, world: World, context: Any) -> None:
    _, request = warm(front, setting, world, context)
    found = world.operator.dynamodb.scan(TableName=os.environ["AUTHORITY_TABLE"])["Items"]
    (token,) = (item for item in found if item["sk"]["S"] == "token")
    front._services().ports.tokens.forget(token["pk"]["S"].removeprefix("token#"))
    assert (request()[0], request()[1]["error"]) == (403, "TokenError")


def test_aws_login_uses_the_sts_of_the_environment(front: ModuleType, setting: Setting, context: Any) -> None:
    status, said = call(front, context, "POST", "/api/v1/auth/aws-auth/login", {"identityId": "x"})
    assert (status, said["error"]) == (422, "ValidationFailure")


@pytest.mark.parametrize("name", NEEDED)
def test_missing_environment_is_answered_and_logged(
    setting: Setting, function, context, monkeypatch, capsys, name: str
) -> None:
    monkeypatch.delenv(name)
    front = function("authority")
    status, said = call(front, context, "GET", "/api/openapi.json")
    assert (status, said["error"]) == (500, "InternalServerError")
    assert said.keys() == {"reqId", "statusCode", "message", "error"}
    assert name in capsys.readouterr().out and name not in json.dumps(said)


def test_settings_are_read_once() -> None:
    given = dict.fromkeys(NEEDED, "x") | {"STS_REGIONS": "eu-central-1, eu-west-1,", "AUTHORITY_ADDRESS": "https://ca/"}
    settings = AuthoritySettings.of(given)
    assert settings.sts_regions == ("eu-central-1", "eu-west-1") and settings.address == "https://ca"
    for name in NEEDED:
        with pytest.raises(Misconfigured, match=name):
            AuthoritySettings.of({key: value for key, value in given.items() if key != name})


def test_api_gateway_event_is_translated(front: ModuleType, setting: Setting, context: Any) -> None:
    """Use an unknown client: any other status would mean that body or path were lost."""
    answer = front.handler(event("authority_request.json"), context)
    assert (answer["statusCode"], json.loads(answer["body"])["message"]) == (401, "Invalid credentials")
    assert json.loads(answer["body"])["reqId"] == "JKJaXmPLvHcESHA="
    unread = {**event("authority_request.json"), "body": "{}"}
    assert front.handler(unread, context)["statusCode"] == 422


def test_schedule_event_matches_the_template(front: ModuleType, setting: Setting, context: Any) -> None:
    assert "Input: '" + json.dumps(event("authority_crl.json")) + "'" in (ROOT / "template.yaml").read_text()
    assert front.handler(event("authority_crl.json"), context) == {"published": []}  # the table holds no CAs
