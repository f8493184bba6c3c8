"""The authority's pages of `evercert console` in Chromium, on the deployed stack."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.stack.conftest import Stack
from tests.stack.manager import Manager, managing
from tests.stack.test_management import MANAGER, asked, profile_of
from tests.tools.browser import chromium
from tests.tools.web_console import WebConsole, web_console

pytestmark = [pytest.mark.peer("chromium"), pytest.mark.timeout(600)]
MARK = uuid.uuid4().hex[:6]


@pytest.fixture(scope="module")
def manager(stack: Stack) -> Iterator[Manager]:
    with managing(stack, f"console-{MARK}") as found:
        yield found


@pytest.fixture(scope="module")
def console(stack: Stack, manager: Manager) -> Iterator[WebConsole]:
    with chromium() as browser, web_console(stack.start, browser) as running:
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


def test_plan_of_a_ca_writes_nothing(console: WebConsole, manager: Manager) -> None:
    before = manager.made("GET", f"{MANAGER}/ca/internal")
    with console.visit("/authority/ca") as visit:
        page = visit.page
        page.get_by_label("Name").fill(f"issuing-{MARK}")
        page.get_by_role("button", name="Plan").click()
        expect(page.get_by_text(f"issuing-{MARK}").last).to_be_visible()
        expect(page.locator("code")).to_contain_text("evercert authority")
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
