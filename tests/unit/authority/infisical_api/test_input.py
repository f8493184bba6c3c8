"""Invalid input: refused with a valid error body that names the field, and nothing is stored."""

from __future__ import annotations

import json
import random
import re
import warnings
from datetime import UTC, timedelta
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from evercert.authority.api_errors import Refusal
from evercert.authority.infisical_api.dispatcher import MAX_BODY, Api
from evercert.authority.infisical_api.enrollment import request_digest
from evercert.authority.infisical_api.routes import ROUTES
from evercert.authority.infisical_api.services import Services
from evercert.authority.policy.policy import Policy
from tests.doubles.authority.authority import ANYTHING
from tests.doubles.authority.client import CERTIFICATES, MANAGER, PROFILES, REQUESTS, Client, csr, event_of
from tests.doubles.fakes import START
from tests.unit.authority.requests.test_csr import doubled

SHA256 = hashes.SHA256()
SHAPE = {"reqId", "statusCode", "message", "error"}
NOTHING_YET = (0, 0, 0)


@pytest.fixture
def client() -> Client:
    return Client()


def refused(
    client: Client, response: Any, statuses: set[int], message: str, written: tuple[int, int, int] = NOTHING_YET
) -> None:
    assert response.status in statuses, response.body
    assert response.json.keys() - {"details"} == SHAPE
    assert response.json["statusCode"] == response.status
    assert message in response.message, response.message
    assert client.written == written


def pem(builder: x509.CertificateSigningRequestBuilder, key: Any, algorithm: Any = SHA256) -> str:
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.PEM).decode()


def plain(*extensions: x509.ExtensionType) -> x509.CertificateSigningRequestBuilder:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "www.example.com")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder


def called(common_name: str) -> x509.CertificateSigningRequestBuilder:
    """Allow any name: clients are not limited to what the builder accepts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deliberately too long
        name = x509.NameAttribute(NameOID.COMMON_NAME, common_name, _validate=False)
    return x509.CertificateSigningRequestBuilder().subject_name(x509.Name([name]))


EC = ec.generate_private_key(ec.SECP256R1())


def changed() -> str:
    """Return a CSR with an invalid signature."""
    der = bytearray(x509.load_pem_x509_csr(pem(plain(), EC).encode()).public_bytes(serialization.Encoding.DER))
    place = der.find(b"www.example.com")
    der[place : place + 3] = b"wwx"
    import base64

    text = base64.encodebytes(bytes(der)).decode()
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{text}-----END CERTIFICATE REQUEST-----\n"


def sans(*names: x509.GeneralName) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName(names)


ATTRIBUTES: list[tuple[str, dict[str, Any], str]] = [
    ("long name", {"commonName": "x" * 65}, "commonName"),
    ("long organization", {"organization": "x" * 256}, "organization"),
    ("a country of three", {"country": "DEU"}, "country"),
    ("null byte", {"commonName": "www.example.com\x00.evil.example"}, "commonName"),
    ("null byte in a san", {"altNames": [{"type": "dns_name", "value": "www.example.com\x00x"}]}, "altNames"),
    ("254 characters", {"altNames": [{"type": "dns_name", "value": f"{'a.' * 123}example.com"}]}, "altNames"),
    ("a star in the middle", {"altNames": [{"type": "dns_name", "value": "www.*.example.com"}]}, "altNames"),
    ("half a star", {"altNames": [{"type": "dns_name", "value": "w*.example.com"}]}, "altNames"),
    ("half an address as a host", {"altNames": [{"type": "dns_name", "value": "10.0.7"}]}, "altNames"),
    ("an address in hexadecimal", {"altNames": [{"type": "dns_name", "value": "0x7f.0x1"}]}, "altNames"),
    ("no address", {"altNames": [{"type": "ip_address", "value": "10.0.0.300"}]}, "altNames"),
    ("an unknown type", {"altNames": [{"type": "upn", "value": "x@example.com"}]}, "altNames"),
    ("101 names", {"altNames": [{"type": "dns_name", "value": f"h{n}.example.com"} for n in range(101)]}, "altNames"),
    ("no international name", {"altNames": [{"type": "dns_name", "value": "☃-.example.com"}]}, "altNames"),
    ("ttl 0", {"ttl": "0d"}, "ttl"),
    ("negative", {"ttl": "-1d"}, "ttl"),
    ("200 years", {"ttl": "200y"}, "ttl"),
    ("no ttl", {"ttl": "soon"}, "ttl"),
    ("ttl and dates", {"ttl": "1d", "notAfter": "2026-03-01T00:00:00Z"}, "ttl"),
    ("past", {"ttl": None, "notAfter": "2020-03-01T00:00:00Z"}, "notAfter"),
    ("backwards", {"ttl": None, "notBefore": "2026-03-02T00:00:00Z", "notAfter": "2026-03-01T00:00:00Z"}, "notBefore"),
    ("long ago", {"ttl": None, "notBefore": "2025-03-02T00:00:00Z", "notAfter": "2026-03-01T00:00:00Z"}, "notBefore"),
    ("past the ceiling", {"ttl": "500d"}, "validity of 500d5m: the CA's ceiling is 398d"),
    ("past the CA", {"ttl": "20y"}, "notAfter"),
    ("no usage", {"keyUsages": ["sign_everything"]}, "keyUsages"),
    ("a CA's usage", {"keyUsages": ["key_cert_sign"]}, "key_cert_sign"),
    ("a CA", {"basicConstraints": {"isCA": True}}, "CA"),
    ("no such key", {"keyAlgorithm": "RSA_1024"}, "keyAlgorithm"),
    ("Ed25519", {"keyAlgorithm": "Ed25519"}, "keyAlgorithm"),
    ("nothing", {"commonName": None, "altNames": []}, "altNames"),
    ("a purpose outside the ceiling", {"extendedKeyUsages": ["code_signing"]}, "extended key usages: code_signing"),
    ("extensions", {"customExtensions": [{"oid": "1.2.3"}]}, "customExtensions"),
    ("numbers for text", {"commonName": 5}, "commonName"),
    ("an object for a list", {"altNames": {}}, "altNames"),
]  # fmt: skip


@pytest.mark.parametrize(("attributes", "message"), [row[1:] for row in ATTRIBUTES], ids=[row[0] for row in ATTRIBUTES])
def test_issue_refuses_impossible_attributes(client: Client, attributes: dict[str, Any], message: str) -> None:
    refused(client, client.issue(attributes), {400, 422}, message)


@pytest.mark.parametrize(("attributes", "message"), [row[1:] for row in ATTRIBUTES], ids=[row[0] for row in ATTRIBUTES])
def test_renew_refuses_impossible_attributes(client: Client, attributes: dict[str, Any], message: str) -> None:
    old = client.issued({"keyAlgorithm": "EC_prime256v1"})["certificateId"]
    response = client.post(f"{CERTIFICATES}/{old}/renew", {"attributes": attributes})
    refused(client, response, {400, 422}, message, written=(1, 1, 1))
    assert "latestRenewalCertificateId" not in client.get(f"{CERTIFICATES}/{old}").json["certificate"]


WARNED = pytest.mark.filterwarnings("ignore:Attribute's length")  # printed by `cryptography`, not useful here
CSRS: list[tuple[str, str, str]] = [
    ("no CSR", "hello", "csr"),
    ("a certificate", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "csr"),
    ("a changed one", changed(), "csr"),
    ("a small key", pem(plain(), rsa.generate_private_key(65537, 1024)), "csr"),
    ("a small exponent", pem(plain(), rsa.generate_private_key(3, 2048)), "csr: weak RSA key: exponent"),
    ("an unsupported curve", pem(plain(), ec.generate_private_key(ec.SECP256K1())), "csr"),
    ("Ed25519", pem(plain(), ed25519.Ed25519PrivateKey.generate(), None), "csr"),
    ("a private key", "-----BEGIN EC PRIVATE KEY-----\ncanary\n-----END EC PRIVATE KEY-----", "csr"),
    ("for a CA", pem(plain(x509.BasicConstraints(ca=True, path_length=None)), EC), "CA"),
    ("for any purpose", pem(plain(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])), EC), "any_purpose"),
    ("a strange purpose", pem(plain(x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.2.3")])), EC), "1.2.3"),
    ("a strange name", pem(plain(sans(x509.RegisteredID(x509.ObjectIdentifier("1.2.3")))), EC), "registeredID"),
    ("an address as a host", pem(plain(sans(x509.DNSName("10.0.0.7"))), EC), "10.0.0.7"),
    ("a star in the middle", pem(plain(sans(x509.DNSName("www.*.example.com"))), EC), "www.*.example.com"),
    ("half a star", pem(plain(sans(x509.DNSName("w*.example.com"))), EC), "csr"),
    ("null byte in a san", pem(plain(sans(x509.DNSName("www.example.com\x00.evil.example"))), EC), "csr"),
    ("null byte in the subject", pem(called("www.example.com\x00.evil.example"), EC), "csr: invalid commonName"),
    ("a long name", pem(called("x" * 65), EC), "csr: invalid commonName"),
    ("254 characters", pem(plain(sans(x509.DNSName(f"{'a.' * 123}example.com"))), EC), "csr"),
    ("101 names", pem(plain(sans(*(x509.DNSName(f"h{n}.example.com") for n in range(101)))), EC), "csr: too many names: 101"),
    ("two of an extension", doubled(), "csr: invalid extensions"),
    ("two", pem(plain(), EC) * 2, "csr"),
    ("long", "x" * 40_000, "csr"),
]  # fmt: skip


@WARNED
@pytest.mark.parametrize(("text", "message"), [row[1:] for row in CSRS], ids=[row[0] for row in CSRS])
def test_issue_refuses_unusable_csr(client: Client, text: str, message: str) -> None:
    response = client.post(CERTIFICATES, {"profileId": client.profile.id, "csr": text, "attributes": {"ttl": "1d"}})
    refused(client, response, {400, 422}, message)
    assert "canary" not in response.message


@WARNED
@pytest.mark.parametrize(("text", "message"), [row[1:] for row in CSRS], ids=[row[0] for row in CSRS])
def test_renew_refuses_unusable_csr(client: Client, text: str, message: str) -> None:
    old = client.issued({"keyAlgorithm": "EC_prime256v1"})["certificateId"]
    response = client.post(f"{CERTIFICATES}/{old}/renew", {"csr": text})
    refused(client, response, {400, 422}, message, written=(1, 1, 1))
    assert "canary" not in response.message


@pytest.mark.parametrize("how", ["attributes", "csr", "renewal", "renewal by csr"])
def test_names_without_policy_rule_are_refused(client: Client, how: str) -> None:
    old = client.issued({"keyAlgorithm": "EC_prime256v1"})["certificateId"] if "renewal" in how else None
    rules = {**ANYTHING, "sans": [{"type": "dns_name", "allowed": ["*.example.com"]}]}
    client.setting.profile(policy=Policy.model_validate(rules))
    asked = [{"type": "ip_address", "value": "10.0.0.7"}, {"type": "dns_name", "value": "www.example.org"}]
    text = pem(plain(sans(x509.IPAddress(ip_address("10.0.0.7")), x509.DNSName("www.example.org"))), EC)
    usages = {"keyUsages": ["digital_signature"], "extendedKeyUsages": ["server_auth"], "ttl": "1d"}
    match how:
        case "attributes":
            response = client.issue({"altNames": asked})
        case "csr":
            response = client.post(CERTIFICATES, {"profileId": client.profile.id, "csr": text, "attributes": usages})
        case "renewal":
            response = client.post(f"{CERTIFICATES}/{old}/renew", {"attributes": {"altNames": asked}})
        case _:
            response = client.post(f"{CERTIFICATES}/{old}/renew", {"csr": text})
    refused(
        client, response, {400}, "Certificate request validation failed: ", written=(1, 1, 1) if old else NOTHING_YET
    )
    assert "ip_address" in response.message and "www.example.org" in response.message


def test_international_name_is_stored_as_a_label(client: Client) -> None:
    issued = client.issued({"commonName": None, "altNames": [{"type": "dns_name", "value": "Bücher.example.com"}]})
    leaf = x509.load_pem_x509_certificate(issued["certificate"].encode())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["xn--bcher-kva.example.com"]


# -- bodies ------------------------------------------------------------------------------------------------------------
POSTS = [route.template for route in ROUTES if route.method == "POST"]


@pytest.mark.parametrize("template", POSTS)
@pytest.mark.parametrize(
    "body",
    [
        b"{", b"\xff\xfe", b"[" * 60_000, b'{"a": NaN}', b'{"a": "\\ud800"}', b"9" * 5_000, b'{"a": 1}trailing',
        b"not json",
    ],
    ids=["open", "bytes", "deep", "NaN", "half a pair", "digits", "two", "text"],
)  # fmt: skip
def test_invalid_json_is_refused(client: Client, template: str, body: bytes) -> None:
    refused(client, client.call("POST", template.replace("{method}", "universal-auth"), body), {400}, "Body")


def test_request_digest_refuses_deep_nesting() -> None:
    """A body can be just shallow enough for the parser, but too deep for the digest."""
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(Refusal, match="Body is not valid JSON") as refusal:
        request_digest({"attributes": {"x": nested}})
    assert refusal.value.status == 400


@pytest.mark.parametrize("template", POSTS)
@pytest.mark.parametrize("body", [[], "text", 5, True, None])
def test_json_other_than_object_is_refused(client: Client, template: str, body: Any) -> None:
    target = template.replace("{method}", "universal-auth").replace("{id}", "8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44")
    response = client.call("POST", target, json.dumps(body).encode())
    assert response.status in {404, 422}, response.body
    assert client.written == (0, 0, 0)


@pytest.mark.parametrize("template", POSTS)
@pytest.mark.parametrize("size", [MAX_BODY + 1, 10_000_000])
@pytest.mark.parametrize("encoded", [False, True])
def test_large_bodies_are_refused(client: Client, template: str, size: int, encoded: bool) -> None:
    headers = {"authorization": f"Bearer {client.token}"}
    body = b'{"a": "' + b"x" * (size - 9) + b'"}'
    response = client.resolve(
        event_of("POST", template.replace("{method}", "universal-auth"), headers, body, encoded=encoded)
    )
    refused(client, response, {413}, "larger than")


def test_base64_body_needs_its_flag(client: Client) -> None:
    body = json.dumps({"profileId": client.profile.id, "attributes": {"commonName": "www.example.com", "ttl": "1d"}})
    headers = {"authorization": f"Bearer {client.token}"}
    event = event_of("POST", CERTIFICATES, headers, body.encode(), encoded=True)
    assert client.resolve(event).status == 200
    event["isBase64Encoded"] = False
    assert client.resolve(event).status == 400
    event["isBase64Encoded"], event["body"] = True, body
    assert client.resolve(event).status == 400


def test_errors_list_every_invalid_field(client: Client) -> None:
    response = client.post(
        CERTIFICATES, {"profileId": "x", "attributes": {"country": "x", "ttl": "0"}, "metadata": [{}]}
    )
    assert response.status == 422 and response.json["error"] == "ValidationFailure"
    paths = {tuple(issue["path"]) for issue in response.json["message"]}
    assert paths == {
        ("profileId",), ("attributes", "country"), ("attributes", "ttl"), ("metadata", 0, "key"), ("metadata", 0, "value"),
    }  # fmt: skip


def test_unknown_fields_are_ignored(client: Client) -> None:
    assert client.issue({"colour": "red"}, colour="blue").status == 200


# -- paths -------------------------------------------------------------------------------------------------------------
NOTHING = ["../../etc/passwd", "..%2f..%2fcertificates", "%2e%2e", "%00", "x" * 5_000, "*", "'; DROP", "☃", " ", "."]


@pytest.mark.parametrize("what", NOTHING, ids=range(len(NOTHING)))
@pytest.mark.parametrize("template", [route.template for route in ROUTES if "{" in route.template])
def test_invalid_names_and_ids_are_not_found(client: Client, template: str, what: str) -> None:
    method = next(route.method for route in ROUTES if route.template == template)
    target = template
    for word in ("{slug}", "{name}", "{id}", "{certificate}", "{method}"):
        target = target.replace(word, what)
    body = {"revocationReason": "SUPERSEDED", "projectId": "x"}
    response = client.call(method, f"{target}?projectId=x", body if method == "POST" else None)
    assert response.status in {400, 404}, (target, response.body)
    assert response.json.keys() == SHAPE


class OnlyIds:
    """Port that accepts only ids and fingerprints: DynamoDB limits the length of keys."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        def checked(*args: Any) -> Any:
            if name in {"certificate", "request", "published", "profile", "application", "ca"}:
                assert re.fullmatch(r"[0-9a-f-]{36}|[0-9a-f]{64}", args[0]), args
            return getattr(self._inner, name)(*args)

        return checked


@pytest.mark.parametrize("what", NOTHING, ids=range(len(NOTHING)))
def test_invalid_ids_do_not_reach_the_table(client: Client, what: str) -> None:
    ports = client.setting.ports(
        certificates=OnlyIds(client.setting.certificates), configuration=OnlyIds(client.setting.configuration)
    )
    api = Api(Services(ports))
    client.module._api = lambda: api
    for route in ROUTES:
        if "{id}" in route.template:
            target = route.template.replace("{id}", what).replace("{certificate}", what)
            body = {"revocationReason": "SUPERSEDED"} if route.method == "POST" else None
            assert client.call(route.method, target, body).status == 404


@pytest.mark.parametrize("query", ["", "projectId=", "projectId=x&limit=0", "projectId=x&limit=-1", "projectId=x&limit=1e9", "projectId=x&offset=²"])  # fmt: skip
def test_invalid_queries_are_refused(client: Client, query: str) -> None:
    response = client.get(f"{PROFILES}?{query}")
    assert response.status == 422 or response.json == {"certificateProfiles": [], "totalCount": 0}


def test_query_with_many_fields_is_refused(client: Client) -> None:
    query = "&".join(f"field{place}=1" for place in range(60))
    response = client.get(f"{PROFILES}?projectId=x&{query}")
    assert (response.status, response.json["message"][0]["path"]) == (422, ["query"])
    assert client.get(f"/api/openapi.json?{query}").status == 200


def test_unknown_methods_and_paths_are_not_found(client: Client) -> None:
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE"):
        assert client.call(method, CERTIFICATES).status in {404, 405}
    for target in ("/", "/api", "/api/v1", "/api/v2/cert-manager/certificates", f"{CERTIFICATES}//", f"{MANAGER}/crl"):
        response = client.get(target)
        assert (response.status, response.json["error"]) == (404, "NotFound")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "projectId"),
        ({"projectId": 5}, "projectId"),
        ({"projectId": "x", "limit": 101}, "limit"),
        ({"projectId": "x", "offset": -1}, "offset"),
        ({"projectId": "x", "metadata": [{"key": "a"}]}, "metadata"),
        ({"projectId": "x", "fromDate": "2026-01-01T00:00:00"}, "fromDate"),
        ({"projectId": "x", "sortOrder": "random"}, "sortOrder"),
    ],
)
def test_invalid_searches_are_refused(client: Client, body: dict[str, Any], field: str) -> None:
    refused(client, client.post(f"{REQUESTS}/search", body), {422}, field)


@pytest.mark.parametrize("reason", [None, "", "BORED", 5, "key_compromise", ["SUPERSEDED"]])
def test_invalid_revocation_reasons_are_refused(client: Client, reason: Any) -> None:
    target = f"{CERTIFICATES}/{client.issued()['certificateId']}"
    response = client.post(f"{target}/revoke", {"revocationReason": reason})
    assert (response.status, response.json["error"]) == (422, "ValidationFailure")
    assert client.get(target).json["certificate"]["status"] == "active"


@pytest.mark.parametrize("key", ["", "x" * 256, "a\x00b", "\ud800"])
def test_invalid_idempotency_tokens_are_refused(client: Client, key: str) -> None:
    refused(client, client.issue(key=key), {400}, "Idempotency-Key")
    target = f"{CERTIFICATES}/{client.issued()['certificateId']}/renew"
    refused(client, client.post(target, idempotency_key=key), {400}, "Idempotency-Key", written=(1, 1, 1))


def test_random_issue_bodies_get_valid_responses(client: Client) -> None:
    """No body causes a 500."""
    rows = random.Random(5)
    values: list[Any] = [None, True, 0, -1, 1e308, "", "x", "x" * 300, [], {}, [[]], {"a": {}}, "\x00", "1d", START.astimezone(UTC).isoformat(), str(timedelta(1))]  # fmt: skip
    fields = ["commonName", "altNames", "keyUsages", "extendedKeyUsages", "ttl", "notBefore", "notAfter", "keyAlgorithm", "signatureAlgorithm", "basicConstraints", "domainComponents", "country", "customExtensions"]  # fmt: skip
    for _ in range(300):
        attributes: Any = {rows.choice(fields): rows.choice(values) for _ in range(rows.randrange(5))}
        body = {
            "profileId": client.profile.id,
            "attributes": rows.choice([attributes, attributes, rows.choice(values)]),
        }
        body |= {rows.choice(["csr", "metadata", "removeRootsFromChain", "applicationId"]): rows.choice(values)}
        response = client.post(CERTIFICATES, body)
        assert response.status in {200, 400, 422}, (body, response.body)


@pytest.mark.parametrize("template", POSTS)
def test_random_bodies_cause_no_server_error(client: Client, template: str) -> None:
    """Send invalid values under every field name of any body."""
    rows = random.Random(7)
    values: list[Any] = [None, True, 0, -1, 1e308, 10**30, "", "x", "x" * 300, [], {}, [[]], {"a": {}}, "\x00", "\u202e", "../..", [None], ["x"] * 101, [{"key": "a", "value": "b"}], "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]  # fmt: skip
    fields = ["projectId", "projectSlug", "profileIds", "metadata", "status", "search", "fromDate", "toDate", "offset", "limit", "sortBy", "sortOrder", "revocationReason", "csr", "attributes", "removeRootsFromChain", "renewalKeySource", "clientId", "clientSecret", "identityId", "iamHttpRequestMethod", "iamRequestBody", "iamRequestHeaders", "organizationSlug", "accessToken", "profileId", "applicationId"]  # fmt: skip
    old = client.issued({"keyAlgorithm": "EC_prime256v1"})["certificateId"]
    there = next(iter(client.setting.certificates.requests)) if template.startswith(REQUESTS) else old
    for turn in range(200):
        body = {rows.choice(fields): rows.choice(values) for _ in range(rows.randrange(1, 8))}
        body |= {"projectSlug": "shop"} if turn % 2 else {}
        target = template.replace("{id}", there).replace("{method}", ("universal-auth", "aws-auth")[turn % 2])
        response = client.call("POST", target, body)
        assert response.status < 500, (body, response.body)
        assert response.status == 200 or response.json.keys() - {"details"} == SHAPE


def test_issue_with_csr_generates_no_key(client: Client) -> None:
    key, text = csr()
    issued = client.issued({"commonName": None, "altNames": None}, csr=text)
    assert "privateKey" not in issued
    assert key.public_bytes() == x509.load_pem_x509_certificate(
        issued["certificate"].encode()
    ).public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
