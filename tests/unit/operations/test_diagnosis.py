"""Diagnosis by the issuer function."""

from dataclasses import replace

from evercert.contracts.issuer import OpenIssuer
from evercert.destinations.context import DestinationContext, RegisteredDestinations
from evercert.errors import Misconfigured, Unavailable
from evercert.operations.diagnosis import dry_run, examine
from tests.doubles.fakes import Bench, spec

TOKEN = "st.00000000.11111111"


class Clients:
    """The settings are invalid, so no service is called."""

    secretsmanager = None


def test_invalid_settings_are_hidden() -> None:
    bench = Bench()
    stack_id = "arn:aws:cloudformation:eu-central-1:111122223333:stack/evercert/1"
    real = RegisteredDestinations(DestinationContext(stack_id, Clients()))  # type: ignore[arg-type]
    bench.ports = replace(bench.ports, destinations=real)
    wanted = spec().model_dump(mode="json", by_alias=True)
    wanted["destinations"] = [{"type": "secrets-manager", "token": TOKEN}, {"type": "acm", "region": TOKEN}]
    bench.want(type(spec()).model_validate(wanted))
    first, second = examine(["web"], bench.ports)["certificates"]["web"]
    assert first.startswith("secrets-manager: ")
    assert "token" in first
    assert second.startswith("acm: ")
    assert TOKEN not in first


def test_valid_destination_is_shown_with_settings() -> None:
    bench = Bench()
    bench.want(spec(to=("there",)))
    bench.destinations.open(spec(to=("there",)).destinations[0], "web").check = refuse  # type: ignore[method-assign]
    assert examine(["web"], bench.ports)["certificates"]["web"] == ["fake to=there: too large"]


def refuse(*_: object) -> None:
    from evercert.errors import Rejected

    raise Rejected("too large")


class Tried:
    """An issuer whose checks are counted; `issue` must not be called."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.error: Exception | None = None

    def reach(self) -> None:
        self._call("reach")

    def check_credentials(self) -> str:
        return self._call("credentials")

    def check_account(self) -> str:
        return self._call("account")

    def check_name(self, name: str) -> str:
        return self._call(name)

    def _call(self, what: str) -> str:
        self.calls.append(what)
        if self.error is not None:
            raise self.error
        return f"{what} in order"


def tried() -> tuple[Bench, Tried]:
    bench, issuer = Bench(), Tried()
    bench.issuers.known["main"] = OpenIssuer(issuer, "hash")  # type: ignore[arg-type]
    return bench, issuer


def test_dry_run_returns_one_result_per_check() -> None:
    bench, issuer = tried()
    assert dry_run("main", ["a.example", "b.example"], bench.ports)["checks"] == [
        {"check": "definition", "found": "valid", "problem": None},
        {"check": "server", "found": "answers", "problem": None},
        {"check": "credentials", "found": "credentials in order", "problem": None},
        {"check": "account", "found": "account in order", "problem": None},
        {"check": "name a.example", "found": "a.example in order", "problem": None},
        {"check": "name b.example", "found": "b.example in order", "problem": None},
    ]
    assert issuer.calls == ["reach", "credentials", "account", "a.example", "b.example"]


def test_dry_run_continues_after_a_failed_check() -> None:
    bench, issuer = tried()
    issuer.error = Unavailable("the server did not answer")
    checks = dry_run("main", ["a.example"], bench.ports)["checks"]
    assert [check["problem"] for check in checks] == [None, *["the server did not answer"] * 4]
    assert not any(check["found"] for check in checks[1:])


def test_dry_run_hides_the_text_of_unforeseen_errors() -> None:
    bench, issuer = tried()
    issuer.error = KeyError(TOKEN)
    answer = dry_run("main", ["a.example"], bench.ports)
    assert "a bug in evercert: KeyError" in answer["checks"][1]["problem"]
    assert TOKEN not in str(answer)


def test_dry_run_limits_the_names() -> None:
    bench, issuer = tried()
    dry_run("main", [f"{number}.example" for number in range(30)], bench.ports)
    assert len(issuer.calls) == 3 + 10


def test_dry_run_stops_at_an_invalid_definition() -> None:
    bench, _ = tried()
    bench.issuers.error = Misconfigured("the definition does not parse")
    assert dry_run("main", ["a.example"], bench.ports) == {
        "checks": [{"check": "definition", "found": "", "problem": "the definition does not parse"}]
    }


def test_dry_run_refuses_names_for_other_issuers() -> None:
    bench, _ = tried()
    bench.issuers.known["main"] = OpenIssuer(object(), "hash")  # type: ignore[arg-type]
    definition, name = dry_run("main", ["a.example"], bench.ports)["checks"]
    assert definition["problem"] is None
    assert name["problem"] == "cannot check a.example: issuers of this type have no solvers; remove --name"


class Named(Tried):
    """An issuer whose CA obeys CAA records."""

    def caa_identities(self) -> tuple[str, ...]:
        self._call("caa")
        return ("ca.example",)


def test_dry_run_returns_the_identities_for_names() -> None:
    bench, _ = tried()
    issuer = Named()
    bench.issuers.known["main"] = OpenIssuer(issuer, "hash")  # type: ignore[arg-type]
    assert dry_run("main", ["a.example"], bench.ports)["caa_identities"] == ["ca.example"]
    assert "caa_identities" not in dry_run("main", [], bench.ports)
    issuer.error = Unavailable("the server did not answer")
    assert dry_run("main", ["a.example"], bench.ports)["caa_identities"] == []


def test_dry_run_changes_nothing() -> None:
    bench, _ = tried()
    dry_run("main", ["a.example"], bench.ports)
    assert (bench.table.log, bench.table.items) == ([], {})
