"""Tests of the Infisical double: renewals, pending requests, searches, faults."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from cryptography import x509

from tests.doubles.infisical import Infisical, Planted
from tests.doubles.infisical.ca import new_key
from tests.doubles.infisical.client import WWW, Bare, csr, der, key_of, leaf, told
from tests.doubles.infisical.configuration import Policy
from tests.doubles.infisical.routes import CERTIFICATES, REQUESTS
from tests.doubles.infisical.seed import plant
from tests.tools.local_stack import ROOT

OTHER = "00000000-0000-4000-8000-000000000000"


def issued(client: Bare, **more: Any) -> str:
    return client.issue(**(WWW | more)).json()["certificate"]["certificateId"]


def poll(client: Bare, answer: Any) -> dict[str, Any]:
    return client.call("GET", f"{REQUESTS}/{answer.json()['certificateRequestId']}").json()


def certificate(client: Bare, certificate_id: str) -> dict[str, Any]:
    return client.call("GET", f"{CERTIFICATES}/{certificate_id}").json()["certificate"]


def test_renewal_key_is_fetched_separately(client, server):
    old = issued(client, ttl="30d")
    answer = client.renew(old)
    said = answer.json()
    assert answer.status_code == 200 and "privateKey" not in said and said["certificateRequestId"]
    bundle = client.call("GET", f"{CERTIFICATES}/{said['certificateId']}/bundle").json()
    assert key_of(bundle["privateKey"]) == der(leaf(answer).public_key()) != server.issued[0].public_key
    assert poll(client, answer)["privateKey"] == bundle["privateKey"]
    assert certificate(client, old)["latestRenewalCertificateId"] == said["certificateId"]
    assert certificate(client, old)["status"] == "active"
    server.switches.renewed_status = True
    assert certificate(client, old)["status"] == "renewed"


def test_renewal_of_a_renewed_certificate_is_refused(client):
    old = issued(client)
    new = client.renew(old).json()["certificateId"]
    assert "already been renewed" in told(client.renew(old))[1]
    last = client.renew(new).json()["certificateId"]
    assert certificate(client, old)["latestRenewalCertificateId"] == last
    assert "latestRenewalCertificateId" not in certificate(client, last)


def test_renewal_refuses_revoked_and_expired(client, clock, server):
    old, late = issued(client), issued(client, ttl="1h")
    server.revoke(old)
    assert told(client.renew(old)) == (400, "Certificate is not eligible for renewal: certificate is revoked")
    clock.advance(hours=2)
    assert certificate(client, late)["status"] == "expired"
    assert "certificate is expired" in told(client.renew(late))[1]
    assert client.renew(OTHER).status_code == 404


def test_renewal_by_csr_and_with_the_old_key(client, server):
    key = new_key("EC_prime256v1")
    old = issued(client)
    renewed = client.renew(old, renewalKeySource="csr", csr=csr(key))
    assert der(leaf(renewed).public_key()) == der(key.public_key())
    born_of_csr = renewed.json()["certificateId"]
    same = client.renew(born_of_csr, renewalKeySource="reuse")
    assert der(leaf(same).public_key()) == der(key.public_key())
    kept = issued(client)
    before = server.issued[-1].public_key
    assert der(leaf(client.renew(kept, renewalKeySource="reuse")).public_key()) == before


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"renewalKeySource": "csr"}, 400),
        ({"renewalKeySource": "other"}, 422),
        ({"csr": "a CSR"}, 400),
        ({"renewalKeySource": "csr", "csr": "a CSR", "attributes": {"commonName": "www.example.com"}}, 400),
        ({"renewalKeySource": "reuse", "attributes": {"keyAlgorithm": "RSA_2048"}}, 400),
    ],
)
def test_renewal_refuses_unsupported_key_sources(client, body, status):
    given = {"csr": csr(new_key("EC_prime256v1"))} if "csr" in body else {}
    assert client.renew(issued(client), **(body | given)).status_code == status


def test_renewal_attributes_need_edit_permission(client, clock, server):
    old = issued(client, ttl="100h")
    server.machine.permissions -= {"edit certificates"}
    assert told(client.renew(old, attributes={"ttl": "1d"})) == (403, "You are not allowed to edit on certificates")
    made = leaf(client.renew(old))
    assert made.not_valid_after_utc - made.not_valid_before_utc == timedelta(days=4)
    server.machine.permissions |= {"edit certificates"}
    changed = leaf(client.renew(issued(client, organization="O"), attributes={"ttl": "2h", "organization": None}))
    assert changed.subject.rfc4514_string() == "CN=www.example.com"
    assert changed.not_valid_after_utc - changed.not_valid_before_utc == timedelta(hours=2)


def test_renewal_applies_the_current_policy(client, server):
    old = issued(client)
    server.profile.policy = Policy({"subject": []})
    assert told(client.renew(old))[0] == 400
    assert server.issued[0].renewal_error
    server.profile.enrollment = "acme"
    assert told(client.renew(old)) == (403, "ACME certificates cannot be renewed")


def test_renewal_by_external_ca_returns_a_request(client, server):
    old = issued(client)
    server.profile.external = True
    answer = client.renew(old)
    assert (answer.json()["certificate"], poll(client, answer)["status"]) == ("", "pending")
    server.finish()
    said = poll(client, answer)
    assert (
        said["status"] == "issued" and certificate(client, old)["latestRenewalCertificateId"] == said["certificateId"]
    )
    assert client.renew(said["certificateId"], renewalKeySource="reuse").status_code == 400


def test_renewal_on_older_servers(client, server):
    server.switches.renew_ignores_csr = True
    key = new_key("EC_prime256v1")
    old = issued(client)
    assert der(leaf(client.renew(old, renewalKeySource="csr", csr=csr(key))).public_key()) != der(key.public_key())
    server.switches.refuses_renewals = True
    assert client.renew(issued(client)).json()["error"] == "PermissionDenied"


def test_renewal_in_the_ui_is_found_by_id(client, server):
    old = issued(client)
    new = server.renew_elsewhere(old)
    assert certificate(client, old)["latestRenewalCertificateId"] == new.id
    assert key_of(client.call("GET", f"{CERTIFICATES}/{new.id}/bundle").json()["privateKey"]) == new.public_key


def test_approval_ends_in_each_state(client, server):
    server.profile.approval = True
    first, second, third = (client.issue(**WWW) for _ in range(3))
    assert {(one.json()["status"], one.json()["certificate"]) for one in (first, second, third)} == {
        ("pending_approval", None)
    }
    assert server.issued == []
    server.approve(first.json()["certificateRequestId"])
    assert poll(client, first)["certificate"]
    server.reject(second.json()["certificateRequestId"], "not this name")
    assert (poll(client, second)["status"], poll(client, second)["errorMessage"]) == ("rejected", "not this name")
    cancelled = client.call("POST", f"{REQUESTS}/{third.json()['certificateRequestId']}/cancel").json()
    assert (cancelled["cancelled"], cancelled["status"]) == (True, "failed")
    assert len(server.issued) == 1
    with pytest.raises(LookupError):
        server.approve(third.json()["certificateRequestId"])


def test_external_ca_finishes_or_fails(client, server):
    server.switches.then("validation", "pending", "fail")
    waits, queued, failed = (client.issue(**WWW) for _ in range(3))
    assert [one.json()["status"] for one in (waits, queued, failed)] == ["pending_validation", "pending", "failed"]
    assert poll(client, waits)["pendingMessage"]
    path = f"{REQUESTS}/{waits.json()['certificateRequestId']}/trigger-validation"
    assert client.call("POST", path).json() == {"status": "pending", "orderStatus": "processing"}
    assert client.call("POST", path).status_code == 400
    server.fail(queued.json()["certificateRequestId"], "no funds")
    assert poll(client, queued)["errorMessage"] == "no funds"
    server.finish()
    assert [poll(client, one)["status"] for one in (waits, queued, failed)] == ["issued", "failed", "failed"]


@pytest.mark.parametrize("outcome", ["wrong-key", "wrong-name", "expired", "ca", "no-chain", "no-key"])
def test_wrong_outcomes_have_one_fault_each(client, clock, server, outcome):
    server.switches.then(outcome)
    key = new_key("EC_prime256v1")
    answer = client.issue(**WWW) if outcome == "no-key" else client.issue(csr=csr(key))
    said, made = answer.json()["certificate"], leaf(answer)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    wrong = {
        "wrong-key": outcome != "no-key" and der(made.public_key()) != der(key.public_key()),
        "wrong-name": names.get_values_for_type(x509.DNSName) != ["www.example.com"],
        "expired": made.not_valid_after_utc < clock(),
        "ca": made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca,
        "no-chain": not said["certificateChain"],
        "no-key": outcome == "no-key" and "privateKey" not in said,
    }
    assert [name for name, found in wrong.items() if found] == [outcome]
    assert leaf(client.issue(csr=csr(key))).not_valid_after_utc > clock()  # once only


def test_bundle_may_lack_chain_and_key(client, server):
    made = issued(client)
    server.switches.chain_missing = server.switches.key_missing = True
    bundle = client.call("GET", f"{CERTIFICATES}/{made}/bundle").json()
    assert (bundle["certificateChain"], bundle["privateKey"]) == (None, None)
    assert client.call("GET", f"{CERTIFICATES}/{made}/private-key").status_code == 404


def tagged(client: Bare, token: str) -> str:
    body = {
        "profileId": client.server.profile.id,
        "attributes": WWW,
        "metadata": [{"key": "token", "value": token}, {"key": "by", "value": "me"}],
    }
    return client.call("POST", CERTIFICATES, body).json()["certificateRequestId"]


def search(client: Bare, *tokens: str, **more: Any) -> list[str]:
    body = {"projectSlug": "my-project", "metadata": [{"key": "token", "value": one} for one in tokens]}
    answer = client.call("POST", f"{REQUESTS}/search", body | more)
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["certificateRequests"]]


def test_search_by_metadata_is_paged_newest_first(client, clock):
    first = tagged(client, "a")
    clock.advance(seconds=1)
    second, third = tagged(client, "b"), tagged(client, "b")
    assert search(client, "a") == [first]
    assert search(client, "a", "b") == [] == search(client, "c")
    assert set(search(client)[:2]) == {second, third} and search(client, sortOrder="asc")[0] == first
    assert search(client, search="WWW.example") == search(client) and search(client, search="other") == []
    assert search(client, limit=1, offset=2) == [first]
    assert search(client, fromDate=clock().isoformat()) == [second, third]
    assert search(client, status="failed") == [] == search(client, profileIds=[OTHER])
    for wrong in ({"limit": 101}, {"projectSlug": None}, {"sortBy": "name"}):
        body = {"projectSlug": "my-project"} | wrong
        assert client.call("POST", f"{REQUESTS}/search", body).status_code == 422
    row = client.call(
        "POST", f"{REQUESTS}/search", {"projectSlug": "my-project", "limit": 1, "sortOrder": "asc"}
    ).json()
    assert row["totalCount"] == 3 and row["certificateRequests"][0]["certificate"]["status"] == "active"


def test_search_on_older_servers(client, server):
    one, two = tagged(client, "a"), tagged(client, "b")
    server.switches.search = "ignores-metadata"
    assert set(search(client, "a")) == {one, two}
    server.switches.search = "none"
    assert client.call("POST", f"{REQUESTS}/search", {"projectSlug": "my-project"}).status_code == 404


@pytest.mark.parametrize(("status", "later"), [(500, None), (503, "2"), (429, "7"), (408, None), (425, None)])
def test_fault_status_is_repeated_without_effect(client, server, status, later):
    server.switches.fault(
        "status", "POST /api/v1/cert-manager/certificates$", times=2, status=status, retry_after=later
    )
    for _ in range(2):
        answer = client.issue(**WWW)
        assert (answer.status_code, answer.headers.get("Retry-After")) == (status, later)
    assert server.issued == []
    assert client.issue(**WWW).status_code == 200


def test_fault_drop_before_and_after_the_effect(client, server):
    for kind, there in (("drop-before", 0), ("drop-after", 1)):
        server.switches.fault(kind, "certificates$")
        with pytest.raises(httpx.RemoteProtocolError):
            client.issue(**WWW)
        assert len(server.issued) == there
    assert server.count("POST /api/v1/cert-manager/certificates$") == 2


def test_fault_malformed_answers(client, server):
    for kind in ("redirect", "not-json", "empty", "huge"):
        server.switches.fault(kind)
    path = "/api/v1/projects/slug/my-project"
    redirect, page, empty, huge = (client.call("GET", path) for _ in range(4))
    assert (redirect.status_code, redirect.headers["Location"]) == (302, "https://elsewhere.example/")
    assert page.text.startswith("<html>") and empty.content == b"" and len(huge.content) > 1 << 20
    server.switches.fault("status", times=None)
    assert {client.call("GET", path).status_code for _ in range(3)} == {503}
    server.switches.calm()
    assert client.call("GET", path).status_code == 200
    with pytest.raises(ValueError):
        server.switches.fault("typing error")
    with pytest.raises(ValueError):
        server.switches.then("typing error")


def test_fault_slow_calls_do_not_block_others(client, server):
    server.switches.fault("slow", "projects", seconds=0.3)
    server.switches.fault("hang", "applications")
    with Bare(server) as other, ThreadPoolExecutor(2) as pool:
        other.http.headers = client.http.headers
        other.http.timeout = httpx.Timeout(0.2)
        late = pool.submit(client.call, "GET", "/api/v1/projects/slug/my-project")
        with pytest.raises(httpx.ReadTimeout):
            other.call("GET", "/api/v1/cert-manager/applications/by-name/my-app")
        assert late.result().elapsed.total_seconds() >= 0.3


def test_tls_is_trusted_only_with_the_bundle():
    with Planted() as server:
        with Bare(server) as client:
            assert client.universal().status_code == 200
        with (
            Bare(server, trust=False) as stranger,
            pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"),
        ):
            stranger.universal()
        with Bare(server) as client:
            assert client.universal().status_code == 200


def test_server_serves_concurrent_clients(server):
    keys: list[bytes] = []

    def one(_: int) -> bytes:
        with Bare(server) as client:
            client.log_in()
            key = new_key("EC_prime256v1")
            assert der(leaf(client.issue(csr=csr(key))).public_key()) == der(key.public_key())
            return der(key.public_key())

    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(one, range(24)))
    assert [len(server.issued_for(key)) for key in keys] == [1] * 24
    assert len({certificate.serial_number for certificate in server.issued}) == 24


def test_server_leaves_no_threads_or_sockets():
    before = set(threading.enumerate())
    with Infisical() as server:
        context = ssl.create_default_context(cadata=server.ca_bundle)
        with httpx.Client(verify=context, base_url=server.address) as client:
            assert client.get("/api/nothing").json()["message"] == "Route GET:/api/nothing not found"
    ends = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < ends:
        time.sleep(0.01)
    assert not set(threading.enumerate()) - before


def test_server_bug_fails_its_test():
    def met() -> None:
        with Planted(tls=False) as server, Bare(server) as client:
            server.tokens.identity = lambda _: 1 / 0
            with pytest.raises(httpx.RemoteProtocolError):
                client.issue(**WWW)

    with pytest.raises(ZeroDivisionError):
        met()


def test_server_clock_can_be_wrong(client, server):
    server.switches.clock_offset = timedelta(hours=1)
    made = leaf(client.issue(**WWW))
    assert made.not_valid_before_utc == server.now().replace(microsecond=0)
    assert server.now() - server._clock() == timedelta(hours=1)


def test_approval_is_followed_by_the_external_ca(client, server):
    server.profile.approval = server.profile.external = True
    answer = client.issue(**WWW)
    server.approve()
    assert poll(client, answer)["status"] == "pending"
    server.finish()
    assert poll(client, answer)["status"] == "issued"


def test_profile_lookup_can_be_forbidden(client, server):
    server.switches.profile_by_id = False
    answer = client.call("GET", f"/api/v1/cert-manager/certificate-profiles/{server.profile.id}")
    assert answer.json()["error"] == "ForbiddenRequestError"


def test_seed_creates_its_objects(server):
    seed = {
        "organizations": ["team"],
        "profiles": [
            {"slug": "slow", "project": "p", "approval": True},
            {"slug": "own", "project": "p", "issuerType": "self-signed"},
        ],
        "applications": [{"name": "a", "project": "p", "profiles": ["slow"]}],
        "identities": [{"name": "m", "methods": {"universal": {}}, "permissions": [], "organizations": ["team"]}],
    }
    [told_of] = plant(server, seed)
    assert server.estate.identities[told_of["identityId"]].organizations == {"team"}
    assert [server.estate.profiles[one].slug for one in server.estate.applications["a"].attached] == ["slow"]
    with Bare(server) as client:
        assert client.universal(clientId=told_of["clientId"], clientSecret=told_of["clientSecret"]).status_code == 200


def test_process_writes_its_state_and_stops_on_signal(tmp_path):
    command = [sys.executable, "-m", "tests.doubles.infisical", "--state", str(tmp_path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": "."}
    ) as process:
        try:
            address = process.stdout.readline().strip()
            said = json.loads((tmp_path / "server.json").read_text())
            context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
            with httpx.Client(verify=context) as client:
                given = {"clientId": said["clientId"], "clientSecret": said["clientSecret"]}
                assert client.post(f"{address}/api/v1/auth/universal-auth/login", json=given).status_code == 200
            assert (tmp_path / "server.json").stat().st_mode & 0o077 == 0
        finally:
            process.terminate()
    assert process.returncode == 0
