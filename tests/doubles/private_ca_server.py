"""The double of AWS Private CA over HTTP, for tests with the client that the functions use."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from tests.doubles.aws_service import serve
from tests.doubles.strict_private_ca import OPERATIONS, StrictPrivateCA


@contextmanager
def served(aws: StrictPrivateCA) -> Iterator[str]:
    """Serve the double on a loopback port; yield its address."""
    with serve("acm-pca", {name: _answer(aws, name) for name in OPERATIONS}) as service:
        yield service.url
        assert service.refused == []


def _answer(aws: StrictPrivateCA, operation: str) -> Callable[[dict[str, Any]], Any]:
    method = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in operation).lstrip("_")

    def answer(parameters: dict[str, Any]) -> Any:
        if "Csr" in parameters:
            parameters = {**parameters, "Csr": base64.b64decode(parameters["Csr"])}
        return _plain(getattr(aws, method)(**parameters))

    return answer


def _plain(value: Any) -> Any:
    """Return the value as JSON has it: times are seconds since 1970."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value.timestamp() if isinstance(value, datetime) else value
