"""Request bodies: JSON, or a form."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

from tests.doubles.infisical.errors import Refusal

FORM = "application/x-www-form-urlencoded"


def parse(body: bytes, content_type: str) -> Any:
    """Return the JSON value, or the fields of a form; an empty object if there is no body."""
    if content_type.partition(";")[0].strip().lower() == FORM:
        return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
    if not body:
        return {}
    try:
        return json.loads(body)
    except ValueError as error:
        raise Refusal(400, "Body is not valid JSON") from error
