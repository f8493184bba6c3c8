"""The progress of a request, as text that is stored after each step."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Self

from evercert import json_parser
from evercert.canonical_json import canonical_json
from evercert.errors import Misconfigured

_ARN = re.compile(r"arn:[!-~]{1,196}")


@dataclass(frozen=True)
class Progress:
    """The ARN of the requested certificate, and how often it was asked for in vain."""

    certificate: str
    polls: int = 0

    @classmethod
    def parse(cls, handle: str) -> Self:
        """Parse the text; raise Misconfigured if it is invalid (a manual edit)."""
        try:
            found = cls(**json_parser.parse(handle))
            if not _ARN.fullmatch(found.certificate) or type(found.polls) is not int or found.polls < 0:
                raise TypeError  # noqa: TRY301
        except (ValueError, TypeError):
            raise Misconfigured("the stored progress of the request does not parse; run: evercert renew NAME") from None
        return found

    @property
    def text(self) -> str:
        """The stored form."""
        return canonical_json({"certificate": self.certificate, "polls": self.polls})

    def polled(self) -> Self:
        """Return the progress after one more poll in vain."""
        return replace(self, polls=self.polls + 1)
