"""A sample of the calls that schemathesis makes from the OpenAPI document; `make soak` makes more."""

from __future__ import annotations

import logging
import random

from tests.fuzz import http_api


def test_calls_from_the_document_meet_no_server_error() -> None:
    seed = random.randrange(2**32)
    print(f"HTTP API: seed {seed}")
    try:
        api = http_api.run(600, seed)
    finally:
        logging.disable(logging.NOTSET)
    assert sum(api.statuses.values()) >= 600
    assert api.statuses[200] > 50, "the calls reach too little"
