"""How every part of a document is read: kebab-case keys, no unknown ones, and mistakes told with their place."""

from __future__ import annotations

import re

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from evercert.errors import foreign

Place = tuple[str | int, ...]


class Model(BaseModel):
    """A frozen part of a document: kebab-case keys, and no key that we do not know."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=lambda field: field.replace("_", "-"),
    )


def text_of(pattern: str, rule: str) -> AfterValidator:
    """Text of one form; the error says the rule instead of the pattern."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"{foreign(value, 60)!r}: {rule}")
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
