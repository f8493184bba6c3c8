"""The JSON format of orders and answers between front and signer; decoding validates the shape only."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from evercert.authority.api_errors import Refusal, bad_request
from evercert.authority.ca.crl import MOST_ENTRIES
from evercert.authority.ca.leaf_fields import Leaf
from evercert.authority.ca.signing_orders import CrlOrder, LeafOrder, Revoked
from evercert.errors import EvercertError, Misconfigured, Unavailable
from evercert.pki.csr_parser import LARGEST
from evercert.schema import first_problem, printable
from evercert.timestamps import from_text, to_text

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_PROFILE = re.compile(r"[\w./ -]{1,300}", re.ASCII)
_SERIAL = re.compile(r"[0-9a-f]{1,40}")
_LEAF = {"verb", "id", "ca", "profile", "leaf", "csr"}
_CRL = {"verb", "ca", "number", "this_update", "next_update", "revoked"}
_LARGEST_NUMBER = 2**63  # RFC 5280 §5.2.3 allows 20 bytes; 8 are plenty


def encode_leaf(order: LeafOrder) -> dict[str, Any]:
    """Encode an order for a leaf as JSON values."""
    leaf = order.leaf.model_dump(mode="json", by_alias=True)
    return {
        "verb": "leaf",
        "id": order.id,
        "ca": order.ca,
        "profile": order.profile,
        "leaf": leaf,
        "csr": order.csr,
    }


def encode_crl(order: CrlOrder) -> dict[str, Any]:
    """Encode an order for a CRL as JSON values."""
    return {
        "verb": "crl",
        "ca": order.ca,
        "number": order.number,
        "this_update": to_text(order.this_update),
        "next_update": to_text(order.next_update),
        "revoked": [[f"{one.serial_number:x}", to_text(one.at), one.reason] for one in order.revoked],
    }


def decode(event: object) -> LeafOrder | CrlOrder:
    """Decode an order by its verb; raises Refusal unless it has exactly the fields of the verb."""
    if not isinstance(event, Mapping):
        raise bad_request("invalid order: must be an object with a verb")
    match event.get("verb"):
        case "leaf":
            return decode_leaf(event)
        case "crl":
            return decode_crl(event)
    raise bad_request("invalid verb: must be leaf or crl")


def decode_leaf(event: Mapping[str, Any]) -> LeafOrder:
    """Decode an order for a leaf; raises Refusal with the invalid field."""
    _require_fields(event, _LEAF)
    csr = event["csr"]
    if not isinstance(csr, str) or len(csr) > LARGEST:
        raise bad_request(f"invalid csr: must be text of at most {LARGEST} characters")
    try:
        leaf = Leaf.model_validate(event["leaf"])
    except ValidationError as error:
        raise bad_request(f"leaf: {printable(first_problem(error))}") from None
    return LeafOrder(_text(event, "id", _ID), _text(event, "ca", _ID), _text(event, "profile", _PROFILE), leaf, csr)


def decode_crl(event: Mapping[str, Any]) -> CrlOrder:
    """Decode an order for a CRL; raises Refusal with the invalid field."""
    _require_fields(event, _CRL)
    number, revoked = event["number"], event["revoked"]
    if type(number) is not int or not 0 < number < _LARGEST_NUMBER:
        raise bad_request("invalid number: must be an integer above zero")
    if not isinstance(revoked, list) or len(revoked) > MOST_ENTRIES:
        raise bad_request(f"invalid revoked: must be a list of at most {MOST_ENTRIES}")
    return CrlOrder(
        ca=_text(event, "ca", _ID),
        number=number,
        this_update=_time(event["this_update"], "this_update"),
        next_update=_time(event["next_update"], "next_update"),
        revoked=tuple(map(_revoked, revoked)),
    )


def encode_answer(outcome: bytes | EvercertError) -> dict[str, str]:
    """Encode DER or an error. Errors other than Refusal and Misconfigured become `unavailable`, which callers retry."""
    if isinstance(outcome, bytes):
        return {"der": base64.b64encode(outcome).decode()}
    if isinstance(outcome, Refusal):
        return {"refused": str(outcome)}
    if isinstance(outcome, Misconfigured):
        return {"misconfigured": str(outcome)}
    return {"unavailable": str(outcome)}


def decode_answer(answer: object) -> bytes:
    """Return the DER, or raise the signer's Refusal, Misconfigured or Unavailable; an invalid answer is Unavailable."""
    match answer:
        case {"der": str(text), **rest} if not rest:
            try:
                return base64.b64decode(text, validate=True)
            except binascii.Error:
                pass
        case {"refused": str(message), **rest} if not rest:
            raise bad_request(printable(message))
        case {"misconfigured": str(message), **rest} if not rest:
            raise Misconfigured(printable(message))
        case {"unavailable": str(message), **rest} if not rest:
            raise Unavailable(printable(message))
    raise Unavailable("invalid answer of the signer; see its log")


def _require_fields(event: Mapping[str, Any], expected: set[str]) -> None:
    if event.keys() != expected:
        raise bad_request(f"invalid order: must have exactly the fields {', '.join(sorted(expected))}")


def _text(event: Mapping[str, Any], field: str, pattern: re.Pattern[str]) -> str:
    value = event[field]
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise bad_request(f"invalid {field}: must match {pattern.pattern}")
    return value


def _time(value: object, field: str) -> datetime:
    try:
        return from_text(str(value))
    except ValueError:
        raise bad_request(f"invalid {field}: must be a time such as 2027-01-31T12:00:00.000Z") from None


def _revoked(entry: object) -> Revoked:
    match entry:
        case [str(serial), str(at), reason] if _SERIAL.fullmatch(serial) and (
            reason is None or isinstance(reason, str)
        ):
            return Revoked(int(serial, 16), _time(at, "revoked"), reason)
    raise bad_request("invalid revoked: each entry must be [hexadecimal serial number, time, reason or null]")
