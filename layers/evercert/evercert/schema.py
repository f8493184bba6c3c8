"""Base models and helpers for documents and records: kebab-case keys, strict parsing, errors with their path."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    PlainValidator,
    ValidationError,
)
from pydantic_core import InitErrorDetails, PydanticCustomError, PydanticKnownError

from evercert.timestamps import from_text, to_text

Place = tuple[str | int, ...]
_KEY = re.compile("[a-z_-]{1,40}")
NO_KEY = "an invalid key; is a space missing after a colon?"


PRINTABLE_LIMIT = 500
_READ = 10  # characters read for each one shown, at most
_LONGEST_WORD = 100  # characters; longer words are not compared with known ones


def printable(text: str, limit: int = PRINTABLE_LIMIT) -> str:
    """Make untrusted text safe for a terminal, a log line or a mail.

    Control characters become spaces (they could move a cursor or forge a line), and the length is capped.
    """
    begin = text[: _READ * limit]
    cleaned = " ".join("".join(c if c.isprintable() else " " for c in begin).split())
    if len(cleaned) <= limit and len(begin) == len(text):
        return cleaned
    return cleaned[: limit - 1] + "…"


class Model(BaseModel):
    """A frozen part of a document with kebab-case keys; unknown keys are errors."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        defer_build=True,  # build at first use: most runs need few of the models
        alias_generator=lambda field: field.replace("_", "-"),
    )


def text_of(pattern: str, rule: str) -> AfterValidator:
    """Return a validator for text that matches a pattern; its error states the rule, not the pattern."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"{printable(value, 60)!r}: {rule}")
        return value

    return AfterValidator(check)


def at_most(limit: int) -> BeforeValidator:
    """Return a validator that limits a list or mapping before its elements are validated."""

    def check(value: object) -> object:
        if isinstance(value, (list, tuple, dict)) and len(value) > limit:
            kind = "Dictionary" if isinstance(value, dict) else "Tuple"
            context = {"field_type": kind, "max_length": limit, "actual_length": len(value)}
            raise PydanticKnownError("too_long", context)
        return value

    return BeforeValidator(check)


def misplaced(problems: dict[Place, str]) -> ValidationError:
    """Return an error of a rule over several keys, located at those keys; never contains input, which may be secret."""
    details = [
        InitErrorDetails(
            type=PydanticCustomError("rule", "{message}", {"message": message}),
            loc=place,
            input=None,
        )
        for place, message in problems.items()
    ]
    return ValidationError.from_exception_data("document", details)


def missing(key: str) -> ValidationError:
    """Return pydantic's error for a missing key, for keys that only a rule requires."""
    return ValidationError.from_exception_data("document", [InitErrorDetails(type="missing", loc=(key,), input=None)])


def is_key(text: object) -> bool:
    """Whether an unknown key may be shown in a message: YAML reads `{client-secret:s3cret}` as one key."""
    return isinstance(text, str) and _KEY.fullmatch(text) is not None


def _moment(value: object) -> datetime:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    if isinstance(value, str):
        return from_text(value)
    raise ValueError("not a timestamp")


def _as_written(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        moment = None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise ValueError("write a timestamp with its zone, in quotes, such as '2027-01-31T12:00:00Z'")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("a timestamp outside the years 1 to 9999 of UTC") from None


Moment = Annotated[datetime, PlainValidator(_as_written), PlainSerializer(to_text, when_used="json")]
# Not in `timestamps`: the checker formats timestamps too and must not load pydantic.
Instant = Annotated[datetime, PlainValidator(_moment), PlainSerializer(to_text, when_used="json")]


def nearest(word: str, known: Mapping[str, Any] | list[str]) -> str:
    """Return `; did you mean …?` or the known words, as the end of a message."""
    return suggestion(word, known) or f" (known: {', '.join(sorted(known))})"


def suggestion(word: str, known: Mapping[str, Any] | list[str]) -> str:
    """Return `; did you mean …?`, or nothing if no known word is similar."""
    near = closest(word, known)
    return f"; did you mean {near!r}?" if near is not None else ""


def closest(word: str, known: Mapping[str, Any] | list[str]) -> str | None:
    """Return the known word that is most similar, or None if none is similar."""
    return _closest(word, tuple(known)) if len(word) <= _LONGEST_WORD else None


@lru_cache(maxsize=1_024)  # a mistake is often repeated
def _closest(word: str, known: tuple[str, ...]) -> str | None:
    import difflib  # noqa: PLC0415 (5 ms of every cold start, for a mistake that is rare)

    return next(iter(difflib.get_close_matches(word, known, n=1)), None)


def first_problem(error: ValidationError) -> str:
    """Return one line for the first error, with its path; never the input, which may be secret.

    Custom rules may quote the value that they refuse. Secret settings therefore use pydantic's rules only.
    """
    problem = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    return f"{place}: {problem['msg']}" if place else str(problem["msg"])
