"""How documents and stored parts are read: kebab-case keys, no unknown ones, mistakes told with their place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainSerializer, PlainValidator, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from evercert.timestamps import from_text, to_text

Place = tuple[str | int, ...]
_KEY = re.compile("[a-z_-]{1,40}")
NO_KEY = "a key that is none; is a space missing after a colon?"


PRINTABLE_LIMIT = 500


def printable(text: str, limit: int = PRINTABLE_LIMIT) -> str:
    """Text that somebody else wrote, made safe for a terminal, a log line and a mail.

    Control characters become spaces (they could move a cursor or forge a line), and the length is capped.
    """
    cleaned = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return cleaned if len(cleaned) <= limit else cleaned[: limit - 1] + "…"


class Model(BaseModel):
    """A frozen part of a document: kebab-case keys, and no key that we do not know."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        defer_build=True,  # at first use: most runs need few of the models
        alias_generator=lambda field: field.replace("_", "-"),
    )


def text_of(pattern: str, rule: str) -> AfterValidator:
    """Text of one form; the error says the rule instead of the pattern."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"{printable(value, 60)!r}: {rule}")
        return value

    return AfterValidator(check)


def misplaced(problems: dict[Place, str]) -> ValidationError:
    """What a rule over several keys raises, told at the keys that break it; holds no input, which may be a secret."""
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
    """What pydantic raises for a key that has no default; for one that only some rule needs."""
    return ValidationError.from_exception_data("document", [InitErrorDetails(type="missing", loc=(key,), input=None)])


def is_key(text: object) -> bool:
    """Whether an unknown key among credentials may be shown: `{client-secret:s3cret}` is a key to YAML."""
    return isinstance(text, str) and _KEY.fullmatch(text) is not None


def _moment(value: object) -> datetime:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    if isinstance(value, str):
        return from_text(value)
    raise ValueError("not a moment")


def _as_written(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        moment = None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise ValueError("write a moment with its zone, in quotes, such as '2027-01-31T12:00:00Z'")
    return moment.astimezone(UTC)


Moment = Annotated[datetime, PlainValidator(_as_written), PlainSerializer(to_text, when_used="json")]
# Not beside `to_text`: the checker, which writes moments too, must not load pydantic.
Instant = Annotated[datetime, PlainValidator(_moment), PlainSerializer(to_text, when_used="json")]


def nearest(word: str, known: Mapping[str, Any] | list[str]) -> str:
    """`; did you mean …?`, or what is known, for the end of a message."""
    import difflib  # noqa: PLC0415 (5 ms of every cold start, for a mistake that is rare)

    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else f" (known: {', '.join(sorted(known))})"


def first_problem(error: ValidationError) -> str:
    """One line for the first thing that is wrong, with its place. Never the input: it may be a secret.

    Rules of our own may quote what they refuse; a setting that is a secret has none but pydantic's.
    """
    problem = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    return f"{place}: {problem['msg']}" if place else str(problem["msg"])
