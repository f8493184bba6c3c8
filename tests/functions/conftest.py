"""Load the functions as Lambda does: one file each, by path, with their environment."""

from __future__ import annotations

import gc
import importlib.util
import json
import logging
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.doubles.world import STACK_ID, World
from tests.tools.local_stack import CREDENTIALS, REGION, ROOT, Emulator


@pytest.fixture
def environment(world: World, running: Emulator, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Set the environment variables that template.yaml gives the functions, pointing at the world."""
    values = {
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": running.url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "CERTIFICATES_TABLE": world.table,
        "ISSUERS_TABLE": world.issuers_table,
        "QUEUE_URL": world.queue_url,
        "TOPIC_ARN": world.topic,
        "SEAL_KEY": world._seal_key,
        "STACK_NAME": "world",
        "STACK_ID": STACK_ID,
        "LEASE_SECONDS": "90",
        "REDISPATCH_SECONDS": "600",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return values


@pytest.fixture
def function(environment: dict[str, str]) -> Callable[[str], ModuleType]:
    """Load `functions/<name>/app.py` as a new module."""

    def load(name: str) -> ModuleType:
        logging.Logger.manager.loggerDict.pop(name, None)  # otherwise it keeps writing to the previous test's output
        path = ROOT / "functions" / name / "app.py"
        spec = importlib.util.spec_from_file_location(f"functions.{name}.app", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        gc.unfreeze()  # a function starts once in its process, and here many times
        return module

    return load


@pytest.fixture
def context() -> Any:
    return SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)


def event(name: str) -> dict[str, Any]:
    """Return a file of events/ as a dictionary."""
    return json.loads((ROOT / "events" / name).read_text())
