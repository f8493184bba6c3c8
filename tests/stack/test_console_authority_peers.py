"""The authority's pages of `evercert console` in Chromium, on the deployed stack."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from playwright.sync_api import Page, expect

from tests.iam import people
from tests.stack.conftest import Stack
from tests.stack.every_command import TRUST, as_policy
from tests.stack.manager import Manager, managing
from tests.stack.test_management import MANAGER, asked, profile_of
from tests.tools.browser import Chromium, chromium
from tests.tools.local_stack import ACCOUNT
from tests.tools.web_console import WebConsole, web_console

pytestmark = [pytest.mark.peer("chromium"), pytest.mark.timeout(600)]
MARK = uuid.uuid4().hex[:6]
PROFILES = f"""\
version: authority/v1
policies:
  console-{MARK}:
    preset: tls-server
    sans: [{{type: dns_name, allowed: ["*.example.com"]}}]
profiles:
  - {{project: console-{MARK}, slug: direct-{MARK}, cas: [issuing-ec], policy: console-{MARK}}}
  - {{project: console-{MARK}, slug: asks-{MARK}, cas: [issuing-ec], policy: console-{MARK}, approval: {{}}}}
"""


@pytest.fixture(scope="module")
def manager(stack: Stack) -> Iterator[Manager]:
    with managing(stack, f"console-{MARK}") as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def console(stack: Stack, manager: Manager, browser: Chromium) -> Iterator[WebConsole]:
    with web_console(stack.start, browser) as running:
        yield running


@pytest.fixture(scope="module")
def issuing(
    stack: Stack, manager: Manager, browser: Chromium, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebConsole]:
    """Run the console as an operator whose role may log in to the authority; the emulator's root may not."""
    role, iam = f"console-{MARK}-operator", stack.client("iam")
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=as_policy(TRUST))
    for name in (people.BASE, "operator"):
        policy = json.dumps(people.policy(name, stack.deployment))
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=policy)
    grants = [word for one in ("request", "read-key") for word in ("--permission", one)]
    identity = ("authority", "identity", "create", role, "--aws-role", f"arn:aws:iam::{ACCOUNT}:role/{role}")
    done = stack.evercert(*identity, "--profile", f"console-{MARK}/*", *grants)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path_factory.mktemp("issuing")
    document, bundle = folder / "profiles.yaml", folder / "ca.pem"
    document.write_text(PROFILES)
    done = stack.evercert("authority", "apply", str(document))
    assert done.returncode == 0, done.stdout + done.stderr
    bundle.write_text(manager.authority.ca_bundle)
    credentials = {key.upper(): value for key, value in stack.role(role).items()}
    with web_console(partial(stack.start, **credentials), browser, "--ca-bundle", str(bundle)) as running:
        yield running


@pytest.fixture(scope="module")
def approved(manager: Manager) -> str:
    """Return the id of a profile whose requests need one approval."""
    cas = {one["name"]: one["id"] for one in manager.made("GET", f"{MANAGER}/ca/internal")}
    return profile_of(manager, f"waits-{MARK}", caId=cas["issuing-ec"], approvalConfig={"requiredApprovals": 1})


def told(page: Page, text: str) -> None:
    expect(page.locator("#messages")).to_contain_text(text)


def state_of(manager: Manager, request: str) -> Any:
    return manager.made("GET", f"{MANAGER}/certificates/certificate-requests/{request}")


def test_authority_shows_its_configuration(console: WebConsole, approved: str) -> None:
    with console.visit("/authority") as visit:
        for title in ("Certificate authorities", "Profiles", "Policies", "Identities"):
            expect(visit.page.get_by_role("heading", name=title, exact=True)).to_be_visible()
        for name in ("issuing-ec", f"waits-{MARK}", f"console-{MARK}-manager"):
            expect(visit.page.get_by_role("heading", name=name).first).to_be_visible()
        assert "-----BEGIN" not in visit.page.content()
        visit.look("authority")


def test_requests_are_approved_and_rejected(console: WebConsole, manager: Manager, approved: str) -> None:
    first, second = (asked(manager, approved)["certificateRequestId"] for _ in range(2))
    with console.visit("/authority/requests") as visit:
        page = visit.page
        visit.look("authority-requests")
        for request, button, message in ((first, "Approve", "Approved"), (second, "Reject", "Rejected")):
            card = page.get_by_role("article").filter(has_text=request)
            card.get_by_label("Reason").fill("known <b>")
            card.get_by_role("button", name=button).click()
            told(page, message)
            expect(page.get_by_role("article").filter(has_text=request)).to_have_count(0)
    assert state_of(manager, first)["status"] == "issued"
    assert state_of(manager, second)["status"] not in {"issued", "pending_approval"}


def test_revocation_needs_the_typed_serial_number(console: WebConsole, manager: Manager, approved: str) -> None:
    request = asked(manager, approved)["certificateRequestId"]
    done = manager.stack.evercert("authority", "request", "approve", request)
    assert done.returncode == 0, done.stdout + done.stderr
    serial = state_of(manager, request)["serialNumber"]
    with console.visit("/authority/issued") as visit:
        page = visit.page
        page.get_by_label("Name or serial number").fill(serial)
        page.get_by_role("button", name="Search").click()
        card = page.get_by_role("article").filter(has_text=re.compile(serial, re.IGNORECASE))
        expect(card).to_have_count(1)
        visit.look("authority-issued")
        for typed, message in (("00", "Nothing was revoked"), (serial, "Revoked; ")):
            page.goto(console.url(f"/authority/issued?search={serial}"))
            card.get_by_text("Revoke …").click()
            card.get_by_label("Reason").select_option("SUPERSEDED")
            card.get_by_label("Type the serial number").fill(typed)
            card.get_by_role("button", name="Revoke").click()
            told(page, message)
        page.goto(console.url(f"/authority/issued?search={serial}"))
        expect(card.locator(".state")).to_have_text("revoked")
        expect(card.get_by_text("Revoke …")).to_have_count(0)


def ask(page: Page, profile: str, names: str) -> None:
    page.locator("select[name=profile]").select_option(f"console-{MARK}/{profile}")
    page.locator("select[name=identity]").select_option(f"console-{MARK}-operator")
    page.get_by_label("Host names").fill(names)
    page.get_by_label("Lifetime").fill("20d")


def fits(key: str, chain: str) -> bool:
    """Return whether the key is that of the chain's first certificate."""
    leaf, *issuers = x509.load_pem_x509_certificates(chain.encode())
    private_key = serialization.load_pem_private_key(key.encode(), None)
    return bool(issuers) and leaf.public_key() == private_key.public_key()


def test_authority_makes_the_key(issuing: WebConsole) -> None:
    with issuing.visit("/authority") as visit:
        page = visit.page
        page.get_by_role("link", name="Issue a certificate").click()
        ask(page, f"direct-{MARK}", "a.example.org")
        visit.look("authority-issue")
        visit.allow("status of 422")
        page.get_by_role("button", name="Issue").click()
        expect(page.get_by_role("alert")).to_contain_text("a.example.org")
        visit.look("authority-issue-refused")
        page.get_by_label("Host names").fill("a.example.com")
        page.get_by_role("button", name="Issue").click()
        expect(page.get_by_role("heading", name="Issued", exact=True)).to_be_visible()
        key, chain = (page.get_by_label(name).input_value() for name in ("Private key", "Certificate and issuers"))
        assert fits(key, chain)
        visit.look("authority-issued-once")
        for name, text in (("Save the key", key), ("Save certificate and chain", chain)):
            with page.expect_download() as saved:
                page.get_by_role("link", name=name).click()
            assert saved.value.path().read_text() == text
        page.get_by_role("link", name="Issued certificates").last.click()
        assert key.splitlines()[1] not in page.content()
        with page.expect_download() as saved:
            page.get_by_role("link", name="Download certificate and chain").click()
        assert saved.value.path().read_text() == chain


def test_browser_makes_the_key(issuing: WebConsole, console: WebConsole) -> None:
    with issuing.visit("/authority/issue") as visit:
        page, sent = visit.page, []
        page.on("request", lambda request: sent.append(request.url + (request.post_data or "")))
        ask(page, f"asks-{MARK}", "b.example.com")
        page.get_by_label("This browser generates the key").check()
        page.get_by_role("button", name="Issue").click()
        made = page.get_by_label("Private key (PKCS #8)")
        expect(made).to_be_visible()
        key = made.input_value()
        page.get_by_label("I have saved it").check()
        page.get_by_role("button", name="Issue").click()
        title = page.get_by_role("heading", name=re.compile("^Request "))
        expect(title).to_be_visible()
        visit.look("authority-waits")
        request = title.inner_text().removeprefix("Request ")
        page.get_by_role("button", name="Fetch the certificate").click()
        expect(page.get_by_text("Not issued yet.")).to_be_visible()
        for running, message in ((issuing, "cannot approve or reject your own"), (console, "Approved")):
            with running.visit("/authority/requests") as other:
                card = other.page.get_by_role("article").filter(has_text=request)
                card.get_by_role("button", name="Approve").click()
                told(other.page, message)
        page.get_by_role("button", name="Fetch the certificate").click()
        assert fits(key, page.get_by_label("Certificate and issuers").input_value())
        expect(page.get_by_label("Private key")).to_have_count(0)
        assert key.splitlines()[1] not in page.content() + "".join(sent)


def test_missing_permission_is_named(
    stack: Stack, browser: Chromium, console: WebConsole, manager: Manager, approved: str
) -> None:
    request, role, iam = asked(manager, approved)["certificateRequestId"], f"console-{MARK}-reader", stack.client("iam")
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=as_policy(TRUST))
    policy = json.dumps(people.policy(people.BASE, stack.deployment))
    iam.put_role_policy(RoleName=role, PolicyName=people.BASE, PolicyDocument=policy)
    credentials = {key.upper(): value for key, value in stack.role(role).items()}
    with web_console(partial(stack.start, **credentials), browser) as running, running.visit() as visit:
        page = visit.page
        page.goto(running.url("/authority/requests"))
        page.get_by_role("article").filter(has_text=request).get_by_role("button", name="Approve").click()
        told(page, "dynamodb:UpdateItem")
        page.goto(running.url("/authority/document"))
        text = page.get_by_label("Document").input_value()
        page.get_by_label("Document").fill(text.replace("web-servers", f"reader-{MARK}"))
        page.get_by_role("button", name=re.compile("^(Show the plan|Plan again)$")).click()
        visit.allow("status of 502")
        page.get_by_role("button", name="Apply").click()
        expect(page.locator(".message.error")).to_contain_text("dynamodb:PutItem")
    assert state_of(manager, request)["status"] == "pending_approval"


def test_plan_of_a_ca_writes_nothing(console: WebConsole, manager: Manager) -> None:
    before = manager.made("GET", f"{MANAGER}/ca/internal")
    with console.visit("/authority/ca") as visit:
        page = visit.page
        page.get_by_label("Name").fill(f"issuing-{MARK}")
        page.get_by_role("button", name="Plan").click()
        expect(page.get_by_text(f"issuing-{MARK}").last).to_be_visible()
        expect(page.locator("code").last).to_contain_text("evercert authority init --issuing")
        visit.look("authority-ca")
    assert manager.made("GET", f"{MANAGER}/ca/internal") == before


def test_profile_is_planned_then_applied(console: WebConsole, approved: str) -> None:
    slug = f"made-{MARK}"
    with console.visit("/authority") as visit:
        page = visit.page
        page.get_by_role("link", name="New profile").click()
        box = page.get_by_label("Document")
        text = box.input_value().replace("web-servers", slug)
        visit.allow("status of 422")
        box.fill(text.replace("tls-server", "no-preset"))
        page.get_by_role("button", name=re.compile("^(Show the plan|Plan again)$")).click()
        expect(page.get_by_role("alert")).to_contain_text("preset")
        box.fill(text)
        page.get_by_role("button", name=re.compile("^(Show the plan|Plan again)$")).click()
        expect(page.locator("pre.plan")).to_contain_text(slug)
        visit.look("authority-plan")
        with console.visit("/authority") as other:
            expect(other.page.get_by_role("heading", name="Profiles")).to_be_visible()
            expect(other.page.get_by_role("heading", name=slug)).to_have_count(0)
        page.get_by_role("button", name="Apply").click()
        told(page, "Applied.")
        expect(page.get_by_role("heading", name=slug).first).to_be_visible()
