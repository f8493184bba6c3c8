"""Convert the values of an agent document as the agent's program does: a key that takes text takes any scalar."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from pydantic import ValidationError

from evercert.cli.infisical_agent.durations import interval, span
from evercert.cli.source import Scalar
from evercert.documents.document import NOT_TEXT
from evercert.documents.secret_reference import Reference
from evercert.schema import printable
from evercert.timestamps import to_text

_REFERENCE = "aws-secret: evercert/credentials/NAME"
_TEXT, _SCALAR = (str,), (str, Scalar)
# By kind: the types that it accepts, and what to write instead of another one.
_KINDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "text": (_SCALAR, "write text"),
    "secret-text": (_TEXT, NOT_TEXT),
    "words": ((list,), "write a list"),
    "count": (_SCALAR, "write a whole number"),
    "flag": (_SCALAR, "write true or false"),
    "mode": (_SCALAR, "write the octal digits of a file mode in quotes, such as '0600'"),
    "moment": (_SCALAR, "write a timestamp, such as 2027-01-31T00:00:00Z"),
    "span": (_SCALAR, "not a duration: a whole number and a unit, such as 90d or 1h30m"),
    "interval": (_SCALAR, "not a duration: a whole number and a unit, such as 90d or 1h30m"),
    "delay": (_SCALAR, "not a delay: a whole number and ms, s, m, h, d or w, such as 200ms"),
    "credential": ((str, dict), f"write text, the path of a file, or {_REFERENCE}"),
    "key": ((str, dict), f"write the key, the path of a file, or {_REFERENCE}"),
    "anything": ((object,), ""),
}
_DELAY = re.compile(r"[0-9]{1,9}(?:ms|[smhdw])")
_EXPONENT = re.compile(r"[-+]?[0-9]{1,20}(?:\.[0-9]{0,20})?[eE][-+]?[0-9]{1,2}")
_LARGEST_MODE = 0o7777
_LARGEST_COUNT = 2**63 - 1  # of a program in Go
_SHORT_FLAGS = {"y": True, "Y": True, "n": False, "N": False}  # text in YAML, and no flags, except for the agent


class NoEffectError(ValueError):
    """A value that the agent accepts and replaces by its default."""


def scalar(value: object) -> object:
    """Return a Scalar for a number, a date, true or false; anything else unchanged."""
    if isinstance(value, bool):
        return Scalar(value, str(value).lower())
    return Scalar(value, str(value)) if isinstance(value, (int, float, date)) else value


def convert(value: object, kind: str) -> Any:  # noqa: ANN401
    """Return the value of a key of this kind; raise ValueError with what to write, without quoting a credential."""
    wanted, rule = _KINDS[kind]
    if not isinstance(value, wanted):
        raise ValueError(rule)
    try:
        return _READERS[kind](value) if kind in _READERS else value
    except _WrongType:
        raise ValueError(rule) from None


def plain(value: Any) -> Any:  # noqa: ANN401
    """Return the value without Scalars."""
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return value.value if isinstance(value, Scalar) else value


class _WrongType(Exception):
    """A scalar of a type that the agent refuses for this key."""


def _flag(value: str | Scalar) -> bool:
    found = value.value if isinstance(value, Scalar) else _SHORT_FLAGS.get(value)
    if not isinstance(found, bool):
        raise _WrongType
    return found


def _count(value: str | Scalar) -> int:
    if isinstance(value, str):
        # Text in YAML 1.1, and a number for the agent.
        if not _EXPONENT.fullmatch(value) or not float(value).is_integer():
            raise _WrongType
        return _whole(float(value))
    # 1:30 is a number only in YAML 1.1, which the agent does not read.
    if isinstance(value.value, (bool, date)) or ":" in value.text:
        raise _WrongType
    return _whole(value.value)


def _whole(number: float) -> int:
    if not math.isfinite(number) or abs(number) > _LARGEST_COUNT:
        raise _WrongType
    if number < 0:
        raise NoEffectError("must be 0 or more")
    return int(number)


def _credential(value: object) -> object:
    """Validate a reference; quote nothing, not even a key, because it may be a misplaced secret."""
    value = plain(value)
    if isinstance(value, dict):
        try:
            Reference.model_validate(value)
        except ValidationError:
            raise ValueError(f"write {_REFERENCE} or aws-parameter: /evercert/credentials/NAME") from None
    return value


def _key(value: object) -> object:
    """Accept a service account key as a mapping: JSON without quotes is YAML."""
    return plain(value) if isinstance(value, dict) and "private_key" in value else _credential(value)


def _moment(value: str | Scalar) -> str:
    """Return a timestamp as it is stored, also for dates that YAML has parsed; UTC by default, as on the server."""
    parsed = value.value if isinstance(value, Scalar) else None
    try:
        found = datetime.fromisoformat(parsed.isoformat() if isinstance(parsed, date) else str(value))
        return to_text(found if found.tzinfo else found.replace(tzinfo=UTC))
    except OverflowError:
        raise ValueError(f"{printable(str(value), 40)!r} is outside the years 1 to 9999 of UTC") from None
    except ValueError:
        raise ValueError(
            f"{printable(str(value), 40)!r} is not a timestamp; write one such as 2027-01-31T00:00:00Z"
        ) from None


def _delay(value: str | Scalar) -> str:
    text = str(value)
    if not _DELAY.fullmatch(text) or not int(re.sub("[a-z]", "", text)):
        raise ValueError(
            f"{printable(text, 20)!r} is not a delay: a whole number and ms, s, m, h, d or w, such as 200ms"
        )
    return text


def _mode(value: str | Scalar) -> str:
    """Return the digits as written: YAML parses 0640 as an octal number, and 640 as a decimal one."""
    text = str(value)
    digits = text.removeprefix("0o")
    if not digits or set(digits) - set("01234567") or int(digits, 8) > _LARGEST_MODE:
        raise NoEffectError(f"{printable(text, 20)!r} is not a file mode, for which the agent takes 0600")
    return text


_READERS: Mapping[str, Callable[[Any], object]] = {
    "text": str,
    "flag": _flag,
    "moment": _moment,
    "delay": _delay,
    "count": _count,
    "mode": _mode,
    "span": lambda value: span(str(value)),
    "interval": lambda value: interval(str(value)),
    "credential": _credential,
    "key": _key,
}
