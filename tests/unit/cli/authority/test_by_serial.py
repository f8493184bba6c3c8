"""Certificates found by serial number in the signer's ledger."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from evercert.cli.authority.by_serial import find_certificate
from evercert.cli.files import BadInput
from evercert.errors import Misconfigured
from tests.fuzz.readers.authority_items import intent, setting
from tests.fuzz.readers.certificates import chain
from tests.fuzz.readers.items import Item, Table


def authority(item: Item) -> Any:
    """Return an authority whose front has no row, and whose ledger has this item only."""
    return SimpleNamespace(
        certificates=SimpleNamespace(certificate=lambda key: None, request=lambda key: None),
        clients=SimpleNamespace(dynamodb=Table(item)),
        connection=SimpleNamespace(output=lambda key: "ledger"),
        configuration=setting().configuration,
    )


def signed(**changes: Any) -> Item:
    der = chain()[2].certificate.public_bytes(Encoding.DER)
    return intent() | {"der": {"B": der}} | changes


def test_find_certificate_reads_the_ledger() -> None:
    match = find_certificate(authority(signed()), "4D")
    assert match is not None and match.request is not None
    assert match.record.serial_number == f"{chain()[2].certificate.serial_number:040x}"


@pytest.mark.parametrize(
    "changes",
    [{"der": {"B": b"x"}}, {"at": {"S": "soon"}}, {"at": {"N": "1"}}, {"says": {"M": {"leaf": {"S": "{"}}}}, {"says": {"S": ""}}],
    ids=["certificate", "time", "type", "leaf", "intent"],
)  # fmt: skip
def test_find_certificate_names_an_invalid_entry(changes: Item) -> None:
    with pytest.raises(Misconfigured, match=r"cannot read certificate 4d from the signing ledger: .*; restore table"):
        find_certificate(authority(signed(**changes)), "4d")


def test_find_certificate_refuses_a_reserved_number() -> None:
    with pytest.raises(BadInput, match="serial number 4d was reserved but never issued"):
        find_certificate(authority(signed(der={"NULL": True})), "4d")
