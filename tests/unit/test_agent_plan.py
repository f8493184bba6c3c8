"""What `apply` shows of credentials: where they are kept, and nothing of what they are."""

import io

from rich.console import Console

from evercert.applying import Plan
from evercert.cli import show

NAMES = {"evercert/credentials/a": "create", "evercert/credentials/b": "change", "evercert/credentials/c": "unchanged"}


def shown(plan):
    console = Console(file=io.StringIO(), width=200)
    show.plan(console, plan)
    return console.file.getvalue().splitlines()


def test_the_plan_says_in_which_secret_credentials_are_stored():
    assert shown(Plan(credentials=NAMES)) == [
        "+ credentials: stored in secret evercert/credentials/a (create)",
        "~ credentials: stored in secret evercert/credentials/b (change)",
        "  credentials: stored in secret evercert/credentials/c (unchanged)",
    ]


def test_a_credential_alone_is_something_to_do():
    assert not Plan(credentials={"a": "change"}).empty
    assert Plan(credentials={"a": "unchanged"}).empty
    assert shown(Plan(credentials={"a": "unchanged"}))[-1] == "nothing to change"


def test_scripts_are_told_the_same():
    assert show.plan_values(Plan(credentials=NAMES)) == {
        "credentials": NAMES,
        "issuers": [],
        "steps": [],
        "unchanged": [],
    }
