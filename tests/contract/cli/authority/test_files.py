"""Copies of CRLs and CA certificates: requested from the front after each step that changes them."""

from __future__ import annotations

import pytest

from evercert.aws.authority.certificates import DynamoDBCertificates
from evercert.aws.authority.configuration_writer import ConfigurationWriter
from tests.contract.cli.authority.command_line import Command, FrontFunction, crl, fine

COPY, PUBLISH = {"task": "files"}, {"task": "crl"}


@pytest.fixture
def bucket(outputs: dict[str, str]) -> str:
    outputs["AuthorityBucket"] = "published"
    return "published"


def test_init_copies_files_with_the_first_lists(
    command: Command,
    bucket: str,
    function: FrontFunction,
    configuration: ConfigurationWriter,
    certificates: DynamoDBCertificates,
) -> None:
    fine(command("init", "--yes", "--json"))
    assert function.payloads == [PUBLISH]  # it copies, too
    for ca in configuration.cas():
        certificates.publish(ca.id, certificates.next_crl_number(ca.id), crl())
    fine(command("init", "--json"))
    assert function.payloads == [PUBLISH, COPY]


@pytest.mark.parametrize("step", [("renew", "root", "--yes"), ("renew", "issuing-ec"), ("crl",)])
def test_ceremony_copies_what_it_signed(
    command: Command, bucket: str, function: FrontFunction, step: tuple[str, ...]
) -> None:
    fine(command("init", "--yes", "--json"))
    function.payloads.clear()
    fine(command("ca", *step, "--json"))
    assert function.payloads == [COPY]


def test_ceremony_succeeds_without_the_copy(command: Command, bucket: str, function: FrontFunction) -> None:
    fine(command("init", "--yes", "--json"))
    function.action = None
    code, out, err = command("ca", "crl", "--json")
    assert (code, '"name": "root"' in out) == (0, True)
    assert err.startswith("note: cannot copy CRLs and CA certificates to their bucket: ")
    assert "the schedule copies them within a day" in err


def test_stack_of_an_older_template_is_not_asked_to_copy(command: Command, function: FrontFunction) -> None:
    """Its front would take the task for a call of the API."""
    fine(command("init", "--yes", "--json"))
    function.payloads.clear()
    fine(command("ca", "crl", "--json"))
    assert function.payloads == []
