"""Tests of logins at the Infisical double: proofs are verified, errors match the Infisical API."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.doubles.infisical import Planted, jwt
from tests.doubles.infisical.ca import new_key
from tests.doubles.infisical.client import WHO, Bare, aws_headers
from tests.doubles.infisical.identity_providers import HOUR, shared_key

OTHER = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def client(server: Planted) -> Iterator[Bare]:
    with Bare(server) as made:
        yield made


def told(answer: Any) -> tuple[int, str, Any]:
    said = answer.json()
    assert said["statusCode"] == answer.status_code and said["reqId"]
    return answer.status_code, said["error"], said["message"]


def test_login_returns_token_lifetime_and_type(client, server):
    answer = client.universal()
    assert answer.status_code == 200
    said = answer.json()
    assert said.pop("accessToken").count(".") == 2
    assert said == {"expiresIn": 2_592_000, "accessTokenMaxTTL": 2_592_000, "tokenType": "Bearer"}
    assert server.logins == ["universal"]


def test_universal_login_locks_after_three_failures(client, clock, server):
    for _ in range(3):
        assert told(client.universal(clientSecret="wrong")) == (401, "Unauthorized", "Invalid credentials")
    assert "temporarily locked" in told(client.universal())[2]
    clock.advance(seconds=299)
    assert client.universal().status_code == 401
    clock.advance(seconds=2)
    assert client.universal().status_code == 200
    assert server.logins == ["universal"]


def test_universal_login_resets_the_failure_count(client, clock):
    for _ in range(2):
        client.universal(clientSecret="wrong")
    clock.advance(seconds=31)
    client.universal(clientSecret="wrong")
    assert client.universal().status_code == 200
    client.universal(clientSecret="wrong")
    assert client.universal().status_code == 200


def test_universal_secret_expires_and_has_a_use_limit(client, clock, server):
    short = server.machine.new_client_secret(clock(), ttl=60)
    once = server.machine.new_client_secret(clock(), uses_limit=1)
    assert client.universal(clientSecret=once).status_code == 200
    assert "usage limit" in told(client.universal(clientSecret=once))[2]
    clock.advance(seconds=61)
    assert "expired client secret" in told(client.universal(clientSecret=short))[2]
    assert client.universal(clientId=OTHER).status_code == 401


def test_login_reports_all_missing_fields(client):
    status, error, issues = told(client.call("POST", "/api/v1/auth/universal-auth/login", {"clientId": 5}))
    assert (status, error) == (422, "ValidationFailure")
    assert [issue["path"] for issue in issues] == [["clientId"], ["clientSecret"]]


@pytest.mark.parametrize("region", ["eu-central-1", "us-gov-west-1"])
def test_aws_login_replays_the_signed_request(client, server, region):
    answer = client.aws(aws_headers(server.access_key, server.secret_key, region=region))
    assert answer.status_code == 200
    assert server.aws.hosts == [f"https://sts.{region}.amazonaws.com"]
    assert server.sts.seen == [f"POST sts.{region}.amazonaws.com/"]
    claims = jwt.unverified(answer.json()["accessToken"])[1]["identityAuth"]["aws"]
    assert claims["accountId"] == "123456789012" and claims["resourceName"] == "evercert-issuer/session"


@pytest.mark.parametrize("signed_late", [timedelta(minutes=14), timedelta(minutes=-4)], ids=["past", "future"])
def test_sts_accepts_15_minutes_late_and_5_early(client, server, signed_late):
    at = datetime.now(UTC) - signed_late
    assert client.aws(aws_headers(server.access_key, server.secret_key, at=at)).status_code == 200


@pytest.mark.parametrize(
    "case",
    [
        "secret",
        "key",
        "body",
        "late",
        "early",
        "token",
        "host",
        "unsigned date",
        "moved date",
        "order",
        "service",
        "elsewhere",
    ],
)
def test_sts_refuses_unsigned_parts(client, server, case):
    now, body = datetime.now(UTC), WHO
    headers = aws_headers(server.access_key, server.secret_key)
    match case:
        case "secret":
            headers = aws_headers(server.access_key, "wrong")
        case "key":
            headers = aws_headers("AKIANOBODY", server.secret_key)
        case "body":
            body = WHO.replace("GetCallerIdentity", "GetSessionToken")
        case "order":  # the same question in other bytes
            body = "&".join(reversed(WHO.split("&")))
        case "service":
            headers = aws_headers(server.access_key, server.secret_key, service="s3")
        case "elsewhere":
            headers = aws_headers(server.access_key, server.secret_key, host="sts.us-east-1.amazonaws.com")
        case "late":
            headers = aws_headers(server.access_key, server.secret_key, at=now - timedelta(minutes=16))
        case "early":
            headers = aws_headers(server.access_key, server.secret_key, at=now + timedelta(minutes=6))
        case "token":
            headers["X-Amz-Security-Token"] = "made up"
        case "host":
            headers["Host"] = "sts.us-east-1.amazonaws.com"
        case "unsigned date":
            headers["Authorization"] = headers["Authorization"].replace(";x-amz-date", "")
        case "moved date":
            headers["X-Amz-Date"] = (now - timedelta(minutes=1)).strftime("%Y%m%dT%H%M%SZ")
    assert told(client.aws(headers, body)) == (500, "InternalServerError", "Something went wrong")
    assert server.logins == []


def test_sts_needs_a_signed_session_token(client, server):
    server.sts.add("ASIAROLE", "secret", session_token="session", arn="arn:aws:sts::123456789012:assumed-role/r/s")
    assert client.aws(aws_headers("ASIAROLE", "secret", session_token="session")).status_code == 200
    assert client.aws(aws_headers("ASIAROLE", "secret", session_token="other")).status_code == 500
    late = aws_headers("ASIAROLE", "secret") | {"X-Amz-Security-Token": "session"}
    assert client.aws(late).status_code == 500


def test_sts_accepts_only_get_caller_identity(client, server):
    body = WHO.replace("GetCallerIdentity", "GetSessionToken")
    assert client.aws(aws_headers(server.access_key, server.secret_key, body=body), body).status_code == 500


def test_aws_login_rules_of_the_identity(client, server):
    headers = aws_headers(server.access_key, server.secret_key)
    rules = server.machine.methods["aws"]
    assert told(client.aws(headers, identity=OTHER))[0] == 404
    assert "did you configure AWS auth?" in told(client.aws(headers, identity=OTHER))[2]
    rules["allowedAccountIds"] = "000000000000"
    assert told(client.aws(headers)) == (401, "Unauthorized", "Access denied: AWS account ID not allowed.")
    rules["allowedAccountIds"] = "000000000000, 123456789012"
    for pattern in ("arn:aws:iam::123456789012:role/evercert-*", "arn:aws:sts::123456789012:assumed-role/*"):
        rules["allowedPrincipalArns"] = pattern
        assert client.aws(headers).status_code == 200
    rules["allowedPrincipalArns"] = "arn:aws:iam::123456789012:role/other"
    assert "[principal-arn=arn:aws:sts::123456789012" in told(client.aws(headers))[2]
    strange = headers | {"Authorization": headers["Authorization"].replace("eu-central-1", "evil.example#")}
    assert told(client.aws(strange)) == (400, "BadRequest", "Invalid AWS region")


def test_kubernetes_token_is_reviewed_by_the_cluster(client, server):
    def login(**given: Any) -> Any:
        return client.login("kubernetes", identityId=server.machine.id, jwt=server.cluster.token(**given))

    assert login().status_code == 200
    assert told(login(namespace="kube-system"))[2] == "Access denied: K8s namespace not allowed."
    assert told(login(name="other"))[2] == "Access denied: K8s name not allowed."
    assert told(login(lifetime=-HOUR))[0] == 401  # a false token cannot ask the cluster about itself
    assert told(login(subject="system:node:n"))[0] == 400
    server.machine.methods["kubernetes"] |= {
        "allowedAudience": "infisical",
        "tokenReviewerJwt": server.cluster.token(name="reviewer"),
    }
    assert login(audiences=("infisical",)).status_code == 200
    assert "invalid for the target audiences" in told(login())[2]
    assert "jwt expired" in told(login(lifetime=-HOUR))[2]
    assert "invalid signature" in told(login(key=new_key("EC_prime256v1")))[2]
    assert server.cluster.reviews[-1] == ["infisical"]
    server.machine.methods["kubernetes"]["tokenReviewerJwt"] = "unknown"
    assert told(login(audiences=("infisical",)))[0] == 401
    assert told(client.login("kubernetes", identityId=server.machine.id, jwt="x" * 8193))[0] == 400


def test_azure_token_is_verified(client, server):
    def login(**given: Any) -> Any:
        return client.login("azure", identityId=server.machine.id, jwt=server.tenant.token(**given))

    assert login().status_code == login(audience="https://management.azure.com").status_code == 200
    assert told(login(audience="https://vault.azure.net"))[:2] == (403, "TokenError")
    assert told(login(issuer="https://sts.windows.net/other/"))[:2] == (403, "TokenError")
    assert "expired" in told(login(lifetime=-HOUR))[2]
    assert told(login(key=shared_key(9)))[2] == "invalid signature"
    assert told(login(kid="azure-2", key=shared_key()))[:2] == (401, "Unauthorized")
    server.machine.methods["azure"]["allowedServicePrincipalIds"] = "another principal"
    assert told(login())[0] == 401


def test_google_id_token_is_verified(client, server):
    def login(audience: str = "", **given: Any) -> Any:
        token = server.google.id_token(audience or server.gcp_machine.id, **given)
        return client.login("gcp", identityId=server.gcp_machine.id, jwt=token)

    assert login().status_code == 200
    assert [login(OTHER).status_code, login(issuer="https://evil.example").status_code] == [500, 500]
    assert [login(lifetime=-HOUR).status_code, login(key=shared_key(9)).status_code] == [500, 500]
    assert told(login(email=None))[0] == 401
    server.gcp_machine.methods["gcp"] |= {"allowedProjects": "mine"}
    assert login(engine={"project_id": "mine", "zone": "z"}).status_code == 200
    assert told(login(engine={"project_id": "other", "zone": "z"}))[0] == 401


def test_google_service_account_token_is_verified(client, server):
    key = server.service_account_key
    email, identity = key["client_email"], server.gcp_iam_machine.id

    def login(signer: Any = None, kid: str = key["private_key_id"], **claims: Any) -> Any:
        token = jwt.sign({"sub": email, "aud": identity} | claims, signer or shared_key(2), kid=kid)
        return client.login("gcp", identityId=identity, jwt=token)

    assert login().status_code == 200
    assert told(login(aud=OTHER))[2] == "Invalid audience in GCP IAM Token"
    assert told(login(sub="me@example.com"))[2] == "Invalid service account identifier"
    assert told(login(signer=shared_key(9)))[:2] == (403, "TokenError")
    assert told(login(kid="other"))[:2] == (403, "TokenError")
    assert told(login(signer=b"secret"))[2] == "invalid algorithm"
    server.gcp_iam_machine.methods["gcp"]["allowedServiceAccounts"] = "other@my-project.iam.gserviceaccount.com"
    assert told(login())[0] == 401


def test_ldap_login_checks_users(client, server):
    def login(password: str) -> Any:
        return client.login("ldap", identityId=server.machine.id, username=server.ldap_user, password=password)

    assert login(server.ldap_password).status_code == 200
    assert told(login("wrong")) == (401, "Unauthorized", "Invalid credentials")


@pytest.mark.parametrize("key", ["organizationSlug", "subOrganizationName"])
def test_login_checks_the_sub_organisation(client, server, key):
    assert told(client.universal(**{key: "team"})) == (404, "NotFound", "Sub organization with slug team not found")
    server.estate.organizations.add("team")
    assert told(client.universal(**{key: "team"}))[0] == 401
    server.machine.organizations.add("team")
    assert client.universal(**{key: "team"}).status_code == 200


def test_token_renewal_ends_at_the_maximum_lifetime(client, clock, server):
    server.machine.token_ttl, server.machine.token_max_ttl = 60, 100
    token = client.log_in()
    clock.advance(seconds=39)
    renewed = client.call("POST", "/api/v1/auth/token/renew", {"accessToken": token}).json()
    assert renewed["expiresIn"] == 60
    assert server.tokens.renewals == 1
    clock.advance(seconds=30)
    client.http.headers["Authorization"] = f"Bearer {renewed['accessToken']}"
    assert client.call("GET", "/api/v1/projects/slug/my-project").status_code == 200
    refused = client.call("POST", "/api/v1/auth/token/renew", {"accessToken": renewed["accessToken"]})
    assert told(refused)[0] == 401 and "Max TTL" in told(refused)[2]
    assert told(client.call("GET", "/api/v1/projects/slug/my-project"))[0] == 401


def test_token_missing_is_401_and_invalid_is_403(client, clock, server):
    path = "/api/v1/projects/slug/my-project"
    assert told(client.call("GET", path))[:2] == (401, "Unauthorized")
    server.machine.token_ttl = 60
    client.log_in()
    assert client.call("GET", path).status_code == 200
    clock.advance(seconds=61)
    assert told(client.call("GET", path))[:2] == (403, "TokenError")
    client.log_in()
    server.tokens.expire_all()
    assert told(client.call("GET", path))[:2] == (403, "TokenError")
    for false in ("nonsense", base64.b64encode(b"{}").decode() + ".e30.AA"):
        client.http.headers["Authorization"] = f"Bearer {false}"
        assert told(client.call("GET", path))[:2] == (403, "TokenError")


def test_token_refused_if_revoked_or_used_up(client, server):
    path = "/api/v1/projects/slug/my-project"
    token = client.log_in()
    assert "message" in client.call("POST", "/api/v1/auth/token/revoke", {"accessToken": token}).json()
    assert told(client.call("GET", path))[0] == 401
    client.log_in()
    server.tokens.revoke_all()
    assert told(client.call("GET", path))[0] == 401 and server.tokens.alive == 0
    server.machine.token_ttl = 60
    token = client.log_in()
    server.tokens.refuse_renewals = True
    assert told(client.call("POST", "/api/v1/auth/token/renew", {"accessToken": token}))[0] == 401
    assert client.call("GET", path).status_code == 200
    server.machine.token_uses_limit = 1
    client.log_in()
    assert [client.call("GET", path).status_code for _ in range(2)] == [200, 400]


def test_token_without_ttl_never_expires(client, clock, server):
    server.machine.token_ttl = server.machine.token_max_ttl = 0
    assert jwt.unverified(client.log_in())[1].get("exp") is None
    clock.advance(days=4000)
    assert client.call("GET", "/api/v1/projects/slug/my-project").status_code == 200


def test_jwt_times_use_the_verifiers_clock():
    token = jwt.sign({"exp": 100, "nbf": 50}, b"key")
    assert jwt.verified(token, b"key", 60) == {"exp": 100, "nbf": 50}
    for now, key in ((100, b"key"), (49, b"key"), (60, b"other")):
        with pytest.raises(jwt.BadToken):
            jwt.verified(token, key, now)
    with pytest.raises(jwt.BadToken):
        jwt.verified(jwt.sign({}, shared_key()), b"key", time.time())
