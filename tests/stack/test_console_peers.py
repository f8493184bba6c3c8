"""`evercert console` in Chromium, on the deployed stack: each page and each action, as an operator uses them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from playwright.sync_api import Locator, Page, expect

from tests.iam import people
from tests.stack.conftest import Stack, document, until, written
from tests.stack.every_command import TRUST, as_policy
from tests.stack.manual_items import planted, wanted
from tests.tools.browser import Chromium, chromium
from tests.tools.web_console import WebConsole, web_console

pytestmark = [pytest.mark.peer("chromium"), pytest.mark.timeout(600)]
MARK = uuid.uuid4().hex[:6]
MANY = 130  # certificates: two pages
ISSUED = 60_000  # milliseconds until the page shows an issuance


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def console(stack: Stack, browser: Chromium) -> Iterator[WebConsole]:
    with web_console(stack.start, browser) as running:
        yield running


@pytest.fixture(scope="module")
def certificate(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Return a function that issues a certificate and returns its name."""

    def make(kind: str, **changes: Any) -> str:
        name = f"{kind}-{uuid.uuid4().hex[:6]}"
        done = stack.evercert("apply", document(tmp_path_factory.mktemp("document"), name, **changes), "--wait")
        assert done.returncode == 0, done.stdout + done.stderr
        return name

    return make


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def told(page: Page, text: str) -> None:
    """Expect this message of the last action."""
    expect(page.locator("#messages")).to_contain_text(text)


def fact_of(page: Page, label: str) -> Locator:
    """Return the place of a fact on the page of a certificate."""
    return page.locator("dt", has_text=label).locator("xpath=following-sibling::dd[1]")


def fact(page: Page, label: str) -> str:
    """Return a fact on the page of a certificate."""
    return fact_of(page, label).inner_text()


def test_address_signs_in_once(stack: Stack, browser: Chromium) -> None:
    with web_console(stack.start, browser) as running:
        running.sign_in()
        assert running.token not in running.start
        (cookie,) = running.state["cookies"]
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        assert f"//{cookie['domain']}:" in running.origin
        with browser.visit(running.origin) as stranger:
            stranger.allow("403")
            for address in (running.address, running.start, f"{running.origin}/", running.url("/certificates")):
                answer = stranger.page.goto(address)
                assert answer is not None and answer.status == 403
                assert "evercert console" in stranger.page.content() and "certificates" not in stranger.page.content()


def test_overview_shows_states_ends_and_attention(stack: Stack, console: WebConsole, certificate: Any) -> None:
    month = {"common-name": "www.example.com", "ttl": "30d"}
    name, broken = certificate("overview", attributes=month), f"broken-{MARK}"
    stack.client("dynamodb").put_item(TableName=stack.table, Item=planted(broken, wanted(broken, issuer="missing")))
    stack.client("lambda").invoke(FunctionName=stack.outputs["CheckerFunction"], Payload=b"{}")
    assert until(lambda: "last_error" in record(stack, broken), 60)
    with console.visit() as visit:
        press(visit.page, "Refresh")
        expect(visit.page.get_by_role("list").get_by_role("link", name="ready")).to_be_visible()
        expect(visit.page.get_by_role("row", name=broken)).to_contain_text("missing")
        assert visit.page.locator("svg.timeline rect.bar").count() > 0
        visit.look("overview")
        visit.page.get_by_role("link", name=broken).click()
        expect(visit.page.get_by_role("heading", name=broken)).to_be_visible()
        expect(visit.page.get_by_text("Last error")).to_be_visible()
        visit.look("certificate-failing")
        visit.page.goto(console.url(f"/certificate?name={name}"))
        expect(visit.page.locator(".heading .state")).to_have_text("ready")


def key_of(name: str) -> dict[str, Any]:
    return {"pk": {"S": f"certificate#{name}"}, "sk": {"S": "record"}}


def record(stack: Stack, name: str) -> dict[str, Any]:
    return next(item for item in stack.items(name) if item["sk"]["S"] == "record")


@pytest.fixture(scope="module")
def many(stack: Stack, console: WebConsole, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Apply many certificates of a paused issuer; return the start of their names."""
    issuer, start = f"paused-{MARK}", f"many-{MARK}"
    certificates = [
        {"name": f"{start}-{at:03}", "issuer": issuer, "labels": {"team": "even" if at % 2 == 0 else "odd"}}
        for at in range(MANY)
    ]
    folder = tmp_path_factory.mktemp("many")
    first = written(folder, {issuer: {"type": "self-signed"}}, [])
    for command in (
        ["apply", first],
        ["pause", "--issuer", issuer],
        ["apply", written(folder, {}, certificates)],
    ):
        done = stack.evercert(*command)
        assert done.returncode == 0, done.stdout + done.stderr
    with console.visit() as visit:
        press(visit.page, "Refresh")
    yield start
    for one in certificates:
        stack.client("dynamodb").delete_item(TableName=stack.table, Key=key_of(one["name"]))


def names(page: Page) -> list[str]:
    return page.locator("#rows tbody tr td:first-child").all_inner_texts()


def test_list_searches_filters_and_sorts(console: WebConsole, many: str) -> None:
    with console.visit("/certificates") as visit:
        page = visit.page
        page.get_by_label("Search").press_sequentially(many.upper())
        expect(page.get_by_text(f"{MANY} of ")).to_be_visible()
        assert page.url.endswith(f"search={many.upper()}&state=&issuer=&label=&ends=&sort=name&order=up")
        page.get_by_label("Label").fill("team=odd")
        expect(page.get_by_text(f"{MANY // 2} of ")).to_be_visible()
        assert names(page)[:2] == [f"{many}-001", f"{many}-003"]
        page.get_by_role("link", name="Name").click()
        expect(page.get_by_role("columnheader", name="Name")).to_have_attribute("aria-sort", "descending")
        assert names(page)[:2] == [f"{many}-129", f"{many}-127"]
        visit.look("certificates-filtered")
        page.get_by_label("State").select_option("ready")
        expect(page.get_by_text("No certificates match.")).to_be_visible()
        page.get_by_label("State").select_option("any")
        page.get_by_label("Issuer").select_option("development")
        expect(page.get_by_text("No certificates match.")).to_be_visible()
        page.get_by_label("Issuer").select_option(f"paused-{MARK}")
        expect(page.get_by_text(f"{MANY // 2} of ")).to_be_visible()
        page.get_by_label("Expires within").select_option("7 days")
        expect(page.get_by_text("No certificates match.")).to_be_visible()


def test_list_has_pages(console: WebConsole, many: str) -> None:
    with console.visit(f"/certificates?search={many}") as visit:
        page = visit.page
        assert names(page) == [f"{many}-{at:03}" for at in range(100)]
        page.get_by_role("link", name="Next").click()
        expect(page.get_by_text("page 2 of 2")).to_be_visible()
        assert names(page) == [f"{many}-{at:03}" for at in range(100, MANY)]
        page.get_by_role("link", name="Previous").click()
        expect(page.get_by_text("page 1 of 2")).to_be_visible()
        page.get_by_role("link", name="Name").click()
        expect(page.get_by_role("columnheader", name="Name")).to_have_attribute("aria-sort", "descending")
        assert names(page)[0] == f"{many}-{MANY - 1:03}"
        visit.look("certificates")


def test_list_works_without_scripts(console: WebConsole, many: str) -> None:
    with console.visit("/certificates", java_script_enabled=False) as visit:
        visit.page.get_by_label("Search").fill(f"{many}-00")
        visit.page.get_by_label("Label").fill("team=even")
        press(visit.page, "Filter")
        assert names(visit.page) == [f"{many}-{at:03}" for at in range(0, 10, 2)]


def test_certificate_shows_what_it_is(stack: Stack, console: WebConsole, certificate: Any) -> None:
    attributes = {"common-name": "www.example.com", "alt-names": ["ip:192.0.2.9"], "ttl": "90d"}
    name = certificate("shown", attributes=attributes, labels={"team": "web"})
    bundle = stack.secret(name)
    with console.visit() as visit:
        page = visit.page
        press(page, "Refresh")
        page.goto(console.url(f"/certificate?name={name}"))
        assert fact(page, "Names") == "dns:www.example.com, ip:192.0.2.9"
        assert fact(page, "Issuer") == "development (self-signed)"
        assert fact(page, "Serial number") == bundle["serial_number"]
        assert fact(page, "Labels") == "team=web"
        expect(page.locator(".chain li")).to_contain_text("CN=www.example.com")
        expect(page.get_by_role("region", name="Destinations").get_by_role("listitem")).to_contain_text(
            "has revision 1"
        )
        expect(page.get_by_role("region", name="Servers and consumers")).to_contain_text("no consumer")
        assert page.get_by_role("row", name="issued").count() == 1
        expect(page.locator("svg.validity")).to_have_attribute("aria-label", "0 % of the lifetime is over")
        assert bundle["private_key"].splitlines()[1] not in page.content()
        visit.look("certificate")
        page.get_by_role("link", name="team=web").click()
        assert name in names(page)


def test_renewal_appears_by_itself(stack: Stack, console: WebConsole, certificate: Any) -> None:
    name = certificate("renewed")
    before = stack.secret(name)["serial_number"]
    with console.visit(f"/certificate?name={name}") as visit:
        visit.page.get_by_role("textbox", name="Reason").first.fill("the key <b>leaked</b>")
        press(visit.page, "Renew now")
        told(visit.page, "Renewal requested.")
        expect(visit.page.locator("dd", has_text="2").first).to_be_visible(timeout=ISSUED)
        expect(visit.page.get_by_role("row", name="renewed")).to_contain_text("the key <b>leaked</b>")
        renewed = stack.secret(name)["serial_number"]
        assert renewed != before
        # The page reads the history after the record, so the event can come one refresh before the new facts.
        expect(fact_of(visit.page, "Serial number")).to_have_text(renewed, timeout=ISSUED)
        visit.look("certificate-renewed")


def test_pause_and_resume(stack: Stack, console: WebConsole, certificate: Any) -> None:
    name = certificate("paused")
    with console.visit(f"/certificate?name={name}") as visit:
        page = visit.page
        page.get_by_label("Pause for").fill("tomorrow")
        press(page, "Pause")
        told(page, "invalid duration 'tomorrow': write it as 8h or 2d")
        page.get_by_label("Pause for").fill("8h")
        press(page, "Pause")
        told(page, "or until you resume it.")
        assert json.loads(stack.evercert("list", "--json", name).stdout)[0]["paused"]
        visit.look("certificate-paused")
        press(page, "Resume")
        told(page, "Resumed.")
        expect(page.get_by_role("button", name="Pause")).to_be_visible()


def test_rollback_shows_both_and_asks_first(stack: Stack, console: WebConsole, certificate: Any) -> None:
    name = certificate("rolled")
    first = stack.secret(name)
    assert stack.evercert("renew", name, "--wait").returncode == 0
    with console.visit(f"/certificate?name={name}") as visit:
        page = visit.page
        press(page, "Roll back …")
        expect(page.get_by_role("row", name="to 1")).to_contain_text(first["serial_number"])
        visit.look("rollback")
        page.get_by_label("Reason").fill("the stack test")
        press(page, "Roll back")
        told(page, "Rollback to revision 1 requested.")
        expect(page.get_by_role("row", name="rolled-back")).to_be_visible(timeout=ISSUED)
        assert fact(page, "Serial number") == first["serial_number"]
    assert stack.secret(name) == first


def test_deletion_needs_the_typed_name(stack: Stack, console: WebConsole, certificate: Any) -> None:
    name = certificate("deleted")
    with console.visit(f"/certificate?name={name}") as visit:
        page = visit.page
        press(page, "Delete …")
        expect(page.get_by_role("listitem")).to_contain_text(f"evercert/certificates/{name}")
        visit.look("delete")
        page.get_by_label("Type the name").fill(name[:-1])
        press(page, "Delete")
        told(page, "Nothing was deleted")
        assert stack.items(name)
        page.get_by_label("Type the name").fill(name)
        press(page, "Delete")
        told(page, f"{name} deleted; evercert will no longer renew it.")
        assert name not in names(page)
        visit.allow("404")
        page.goto(console.url(f"/certificate?name={name}"))
        expect(page.get_by_role("heading", name="Not found")).to_be_visible()
        visit.look("missing")
    assert not [item for item in stack.items(name) if item["sk"]["S"] == "record"]
    assert stack.secret(name)


def test_new_certificate_is_planned_then_applied(stack: Stack, console: WebConsole, certificate: Any) -> None:
    certificate("issuer")  # defines the issuer
    name = f"made-{MARK}"
    with console.visit("/certificates") as visit:
        page = visit.page
        page.get_by_role("link", name="New certificate").click()
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_label("Issuer").select_option("development")
        page.get_by_label("Host names").fill("a.example.com\nb.example.com")
        page.get_by_label("Lifetime").fill("ninety days")
        page.get_by_label("Labels").fill("team=web")
        visit.look("new-certificate")
        visit.allow("422")
        press(page, "Show the plan")
        expect(page.get_by_role("alert")).to_contain_text("ttl")
        visit.look("document-invalid")
        text = page.get_by_label("Document").input_value()
        page.get_by_label("Document").fill(text.replace("ninety days", "90d"))
        press(page, "Show the plan")
        expect(page.locator("pre.plan")).to_contain_text(f"+ certificate {name} (create)")
        assert not stack.items(name)
        visit.look("plan")
        press(page, "Apply")
        told(page, "Applied; the stack works on it now.")
        expect(page.locator(".heading .state")).to_have_text("ready", timeout=ISSUED)
        assert fact(page, "Names") == "dns:a.example.com, dns:b.example.com"
    assert stack.secret(name)["certificate"]


def test_key_of_the_browser_stays_there(console: WebConsole, certificate: Any) -> None:
    certificate("issuer")  # defines the issuer
    with console.visit("/certificates/new") as visit:
        page, sent = visit.page, []
        page.on("request", lambda request: sent.append(request.url + (request.post_data or "")))
        page.get_by_label("Name", exact=True).fill(f"held-{MARK}")
        page.get_by_label("Host names").fill("a.example.com ip:2001:db8::1")
        page.get_by_label("This browser generates the key").check()
        press(page, "Show the plan")
        text = page.get_by_label("Private key (PKCS #8)")
        expect(text).to_be_visible()
        pem = text.input_value()
        visit.look("new-certificate-key")
        press(page, "Show the plan")
        expect(page.get_by_role("alert")).to_contain_text("Save the private key first")
        with page.expect_download() as saved:
            page.get_by_role("link", name="Save as file").click()
        assert saved.value.path().read_text() == pem
        page.get_by_label("I have saved it").check()
        visit.allow("status of 422")  # the issuer makes keys itself
        press(page, "Show the plan")
        shown = yaml.safe_load(page.get_by_label("Document").input_value())
        assert pem.splitlines()[1] not in page.content() + "".join(sent)
    csr = x509.load_pem_x509_csr(shown["certificates"][0]["csr"].encode())
    key = serialization.load_pem_private_key(pem.encode(), None)
    assert csr.is_signature_valid and csr.public_key() == key.public_key()


def test_issuers_lead_to_their_certificates(console: WebConsole, many: str) -> None:
    with console.visit("/issuers") as visit:
        row = visit.page.get_by_role("row", name=f"paused-{MARK}")
        expect(row).to_contain_text("self-signed")
        expect(row.locator(".state")).to_have_text("paused")
        visit.look("issuers")
        row.get_by_role("link").click()
        expect(visit.page.get_by_text(f"{MANY} of ")).to_be_visible()


def test_doctor_runs_every_check(console: WebConsole) -> None:
    with console.visit("/doctor") as visit:
        expect(visit.page.get_by_text("checking …")).to_have_count(0, timeout=ISSUED)
        states = set(visit.page.locator("tbody .state").all_inner_texts())
        assert "ok" in states and states <= {"ok", "warning", "failed", "skipped", "unknown"}, states
        visit.look("doctor")


def test_events_appear_while_the_page_is_open(stack: Stack, console: WebConsole, certificate: Any) -> None:
    name = certificate("followed")
    with console.visit("/events") as visit:
        visit.page.wait_for_timeout(3_000)  # the queue is subscribed
        assert stack.evercert("renew", name, "--wait").returncode == 0
        row = visit.page.get_by_role("row", name=name).filter(has_text="renewed")
        expect(row).to_be_visible(timeout=ISSUED)
        expect(row).to_contain_text("revision 2")
        visit.look("events")
        row.get_by_role("link").click()
        expect(visit.page.get_by_role("heading", name=name)).to_be_visible()
        visit.page.goto(console.url("/"))
        expect(visit.page.get_by_role("row", name=name).filter(has_text="renewed")).to_be_visible()


def test_keyboard_reaches_every_action(stack: Stack, console: WebConsole, certificate: Any) -> None:
    name = certificate("keyboard")
    with console.visit() as visit:
        page = visit.page
        page.keyboard.press("Tab")
        assert visit.focused()["text"] == "Skip to the content"
        page.keyboard.press("Enter")
        assert page.evaluate("() => document.activeElement.id") == "content"
        page.goto(console.url("/"))
        visit.tab_to("Refresh")
        page.keyboard.press("Enter")
        expect(page.get_by_text("as of just now")).to_be_visible()
        visit.tab_to("Certificates")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Certificates")).to_be_visible()
        visit.tab_to("Search")
        page.keyboard.type(name)
        expect(page.get_by_text("1 of ")).to_be_visible()
        visit.tab_to(name)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name=name)).to_be_visible()
        visit.tab_to("Pause")
        page.keyboard.press("Enter")
        told(page, "Paused: nothing is issued")
        visit.tab_to("Resume")
        page.keyboard.press("Enter")
        told(page, "Resumed.")
        visit.tab_to("Delete …")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name=f"Delete {name}")).to_be_visible()
        visit.tab_to("Type the name to confirm")
        page.keyboard.type(name)
        page.keyboard.press("Enter")
        told(page, f"{name} deleted")
    assert not [item for item in stack.items(name) if item["sk"]["S"] == "record"]


MARKUP = '<img src=x onerror="document.title=1"><script>document.title=1</script>'
CONTROL = "a\x07b\x1b[31mc\u202ed\u2066e\u2028f"


def harmless(page: Page) -> None:
    """Expect that foreign text made no element, ran no script, and shows no control characters.

    The hidden fields of a form have the name as it is, or its actions would be about another certificate.
    """
    assert page.title() != "1"
    assert page.locator("img, main script, svg[onload], [onerror]").count() == 0
    assert not set("\x07\x1b\u202e\u2066\u2028") & set(page.title() + page.locator("body").inner_text())


def test_hostile_content_is_text(stack: Stack, console: WebConsole) -> None:
    found = [f'"><svg onload=alert(1)>{MARK}', f"{CONTROL}{MARK}", f"{{{{7*7}}}}{MARK}", f"hostile-{MARK}"]
    error = {
        "kind": "rejected",
        "message": f"{MARKUP} {CONTROL}",
        "at": "2026-11-29T10:00:00.000Z",
        "generation": 1,
    }
    for name in found:
        bad = {} if name == found[-1] else {"issuer": MARKUP, "labels": {"team": MARKUP}}
        spec = wanted(name, **bad)
        item = planted(name, spec, state="stopped", due_at=None, due_shard=None, last_error=error)
        stack.client("dynamodb").put_item(TableName=stack.table, Item=item)
    query = urlencode(dict.fromkeys(("search", "label", "state", "issuer", "sort", "order", "page"), MARKUP))
    with console.visit() as visit:
        page = visit.page
        press(page, "Refresh")
        visit.allow("status of 404")
        for path in (
            "/",
            f"/certificates?{query}",
            f"/certificate?{urlencode({'name': MARKUP + CONTROL})}",
            "/issuers",
        ):
            page.goto(console.url(path))
            harmless(page)
        page.goto(console.url(f"/certificates?search={MARK}"))
        harmless(page)
        visit.look("certificates-hostile")
        links = [link.get_attribute("href") for link in page.locator("#rows tbody td:first-child a").all()]
        assert len(links) >= len(found)
        for number, name in enumerate(found):
            page.goto(console.url(f"/certificate?{urlencode({'name': name})}"))
            harmless(page)
            expect(page.get_by_role("heading", level=1)).to_contain_text(MARK)
            visit.look(f"certificate-hostile-{number}")
        expect(page.locator(".message.error")).to_contain_text(MARKUP)
    for name in found:
        stack.client("dynamodb").delete_item(TableName=stack.table, Key=key_of(name))


def test_hostile_event_is_text(stack: Stack, console: WebConsole) -> None:
    event = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": MARKUP,
        "type": f"certificate.{MARKUP}",
        "subject": f"{MARKUP}{MARK}",
        "time": f"{MARKUP}{CONTROL}",
        "data": {"message": f"{MARKUP}{CONTROL}"},
    }
    with console.visit("/events") as visit:
        visit.page.wait_for_timeout(3_000)  # the queue is subscribed
        stack.client("sns").publish(TopicArn=stack.outputs["Topic"], Message=json.dumps(event))
        row = visit.page.get_by_role("row", name=MARK).filter(has_text="onerror")
        expect(row.first).to_be_visible(timeout=ISSUED)
        harmless(visit.page)
        visit.page.goto(console.url("/"))
        harmless(visit.page)


def test_read_only_console_has_no_actions(stack: Stack, browser: Chromium, certificate: Any) -> None:
    name = certificate("watched")
    with web_console(stack.start, browser, "--read-only") as running, running.visit() as visit:
        page = visit.page
        expect(page.get_by_text("read-only", exact=True)).to_be_visible()
        for path in ("/certificates", f"/certificate?name={name}", f"/certificate/delete?name={name}"):
            page.goto(running.url(path))
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            assert page.locator("main form[method=post], main button.danger").count() == 0
            assert page.get_by_role("link", name="New certificate").count() == 0
            visit.look(f"read-only-{path.strip('/').partition('?')[0].replace('/', '-')}")
        page.goto(running.url("/"))
        visit.allow("status of 40[45]")
        sent = {"name": name, "typed": name}
        for path in ("renew", "pause", "rollback", "delete"):
            assert post(page, running.url(f"/certificate/{path}"), sent) in (404, 405)
    assert stack.secret(name)


def post(page: Page, address: str, form: dict[str, str]) -> int:
    """Send a form with the token of the page as a script of the page could; return the status."""
    return int(
        page.evaluate(
            """async ([address, form]) => {
              const csrf = document.querySelector("input[name=csrf]").value;
              return (await fetch(address, {method: "POST", body: new URLSearchParams({csrf, ...form})})).status;
            }""",
            [address, form],
        )
    )


def test_missing_permission_is_named(stack: Stack, browser: Chromium, certificate: Any) -> None:
    name, role = certificate("refused"), f"console-{MARK}"
    assert stack.evercert("renew", name, "--wait").returncode == 0
    iam = stack.client("iam")
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=as_policy(TRUST))
    policy = json.dumps(people.policy(people.BASE, stack.deployment))
    iam.put_role_policy(RoleName=role, PolicyName=people.BASE, PolicyDocument=policy)
    credentials = {key.upper(): value for key, value in stack.role(role).items()}
    start = partial(stack.start, **credentials, EVERCERT_RECORDED_AS=people.BASE)
    with web_console(start, browser) as running, running.visit(f"/certificate?name={name}") as visit:
        page = visit.page
        for button, permission in (("Pause", "dynamodb:PutItem"), ("Renew now", "dynamodb:UpdateItem")):
            press(page, button)
            told(page, permission)
        visit.look("certificate-refused")
        page.goto(running.url(f"/certificate/rollback?name={name}&to=1"))
        press(page, "Roll back")
        told(page, "dynamodb:UpdateItem")
        visit.allow("status of 502")  # without a certificate to return to
        page.goto(running.url(f"/certificate/delete?name={name}"))
        page.get_by_label("Type the name").fill(name)
        press(page, "Delete")
        expect(page.locator(".message.error")).to_contain_text("dynamodb:DeleteItem")
        visit.look("error")
        page.goto(running.url("/certificates/new"))
        page.get_by_label("Name", exact=True).fill(f"{name}-2")
        page.get_by_label("Host names").fill("a.example.com")
        press(page, "Show the plan")
        press(page, "Apply")
        expect(page.locator(".message.error")).to_contain_text("dynamodb:PutItem")
        page.goto(running.url("/events"))
        expect(page.get_by_role("row", name="sqs:CreateQueue")).to_be_visible(timeout=ISSUED)
    assert not json.loads(stack.evercert("list", "--json", name).stdout)[0].get("paused")
    assert stack.secret(name)["certificate"] and not stack.items(f"{name}-2")
