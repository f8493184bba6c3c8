"""Every parser of the package is reached by the readers of the fuzzing."""

from __future__ import annotations

import random
import warnings

from tests.fuzz.parsers import called, parsers
from tests.fuzz.reader import Reader
from tests.fuzz.registry import READERS

# Parsers of what evercert itself has made or checked in the same process: no other input reaches them.
OWN_VALUES: dict[tuple[str, str], str] = {
    ("pki/formats.py", "pkcs12"): "a private key of evercert",
    ("authority/infisical_api/openapi.py", "openapi_document"): "a file of the package",
    ("cli/authority/connection.py", "from_connection"): "outputs of the stack, unread",
    ("cli/authority/ceiling_options.py", "merged"): "the options, which `parse_options` has checked",
    ("authority/registration/external_csr.py", "attributes_of"): "a leaf that the policy allows",
    ("http_client/documents.py", "HTTPDocuments.get.read"): "a response, which `Response.json` parses",
    ("cli/authority/arguments.py", "parse_algorithm"): "an option of a few words",
    ("cli/authority/init.py", "_parse"): "the options, which `ConstraintOptions.parse` has checked",
    ("cli/authority/last_expiry.py", "_not_after"): "a certificate of the signer's ledger",
    ("cli/authority/replacement.py", "_next_name"): "the name of a stored CA",
    ("authority/ca/constrained_names.py", "_content"): "names of a leaf, which the ceiling has checked",
    ("authority/ca/constrained_names.py", "_covered"): "constraints that `Subtrees` has parsed",
    ("authority/ca/constrained_names.py", "_networks"): "constraints that `Subtrees` has parsed",
    ("authority/ca/constrained_names.py", "_printed"): "constraints that `Subtrees` has parsed",
    ("authority/ca/constrained_names.py", "narrowed"): "constraints that `Subtrees` has parsed",
    ("authority/ca/constraints.py", "ConstrainedNames.general_names"): "constraints that the model has checked",
    ("cli/authority/documents.py", "text_of"): "written, not read",
    ("cli/authority/documents.py", "load_all"): "files, which `source.load` parses",
    ("cli/web_console/documents.py", "Documents._read"): "a document, which `Files` parses",
    ("cli/web_console/authority_documents.py", "AuthorityDocuments._read"): "a document, which `read` parses",
    ("cli/authority/identities.py", "create"): "the options, which `logins` and `arguments.span` have checked",
    ("authority/policy/presets.py", "_preset"): "constants, read once",
    ("authority/validation/ports.py", "Web.load"): "a protocol",
    (
        "aws/authority/validation_pages.py",
        "ValidationPages.load",
    ): "bytes of hosts; test_validation_network.py sends them",
    ("aws/authority/validation_pages.py", "_is_address"): "a host that the validator has checked",
    ("aws/dynamodb/consumers.py", "DynamoDBConsumers._read"): "items, which `read` parses",
    ("cli/consumers.py", "load"): "items, which `DynamoDBConsumers.of` parses",
    (
        "cli/web_console/stack_issuance.py",
        "_valid",
    ): "fields of a form, which the models of the reader `document` parse",
    ("cli/web_console/command.py", "_read_bundle"): "a file, which `trust.problem` parses",
    ("cli/authority/eab.py", "create"): "the options, which `_patterns` and `arguments.span` have checked",
    ("cli/authority/eab.py", "_mac_key"): "an answer of the stack's own function",
    (
        "http_client/transport.py",
        "Backend.addresses",
    ): "addresses of the system's resolver; the reader `address` has the rest",
    ("http_client/transport.py", "Stream.read"): "bytes, unread",
}


def test_every_parser_is_read_by_the_fuzzing() -> None:
    reached = called(lambda: [read_some(reader) for reader in READERS])
    missing = parsers() - reached - OWN_VALUES.keys()
    assert not missing, "add a reader to tests/fuzz/readers for: " + ", ".join(
        f"{file} {name}" for file, name in sorted(missing)
    )


def test_own_values_are_parsers() -> None:
    assert OWN_VALUES.keys() <= parsers()


def test_a_parser_is_found_by_its_calls() -> None:
    assert {("durations.py", "parse"), ("http_client/retry.py", "retry_after")} <= parsers()
    assert ("errors.py", "Unexpected.of") not in parsers()


def test_names_of_readers_are_unique() -> None:
    names = [reader.name for reader in READERS]
    assert len(set(names)) == len(names)


def read_some(reader: Reader) -> None:
    """Read the samples and a few changed ones, whatever comes of it."""
    chance = random.Random(reader.name)
    samples = reader.samples()
    for data in [*samples, *(reader.change(chance.choice(samples), chance) for _ in range(10))]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                reader.read(data)
            except Exception:  # noqa: BLE001 (test_fuzz.py judges errors)
                continue
