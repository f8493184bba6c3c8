"""Tests of registries: lazy imports, validated settings, suggestions for unknown types."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, model_validator

from evercert.destinations import DESTINATIONS
from evercert.documents.spec import Component
from evercert.errors import Misconfigured
from evercert.issuers import ISSUERS
from evercert.registry import Registry
from evercert.schema import first_problem, nearest


class Postbox:
    class Settings(BaseModel):
        model_config = ConfigDict(extra="forbid")

        colour: str = "yellow"
        certificate: str = ""

        @model_validator(mode="before")
        @classmethod
        def _of(cls, values: object, info: ValidationInfo) -> object:
            return {**values, "certificate": (info.context or {}).get("certificate", "")}


REGISTER = Registry("destination", {"postbox": f"{__name__}:Postbox", "broken": "no.such.module:Thing"})


@pytest.mark.parametrize(
    ("register", "kind"),
    [(register, kind) for register in (ISSUERS, DESTINATIONS) for kind in register.entries],
    ids=lambda part: getattr(part, "what", part),
)
def test_registry_types_load_and_have_settings(register, kind):
    assert issubclass(register.load(kind).Settings, BaseModel)


def test_registry_imports_a_type_at_first_use():
    assert REGISTER.settings(Component(type="postbox")).colour == "yellow"
    with pytest.raises(ModuleNotFoundError):
        REGISTER.load("broken")


def test_registry_waits_for_an_import_in_another_thread(monkeypatch):
    """A module that another thread is importing has no class yet."""
    monkeypatch.setitem(sys.modules, "half_imported", ModuleType("half_imported"))
    whole = SimpleNamespace(Class="the class")
    monkeypatch.setattr("evercert.registry.import_module", lambda name: whole)
    assert Registry("issuer", {"half": "half_imported:Class"}).load("half") == "the class"


def test_registry_suggests_the_nearest_type():
    with pytest.raises(Misconfigured, match=r"there is no destination type 'postbx'; did you mean 'postbox'\?"):
        REGISTER.load("postbx")


def test_registry_lists_known_types():
    with pytest.raises(Misconfigured, match=r"\(known: broken, postbox\)"):
        REGISTER.load("42")


def test_registry_passes_context_to_settings():
    found = REGISTER.settings(Component.model_validate({"type": "postbox", "colour": "red"}), certificate="web")
    assert (found.colour, found.certificate) == ("red", "web")


def test_registry_error_never_quotes_the_value():
    with pytest.raises(Misconfigured) as caught:
        REGISTER.settings(Component.model_validate({"type": "postbox", "pasword": "hunter2"}))
    assert "destination of type postbox: pasword" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_nearest_accepts_lists():
    assert nearest("commonname", ["common-name", "ttl"]) == "; did you mean 'common-name'?"
    assert nearest("zzz", ["ttl", "alt-names"]) == " (known: alt-names, ttl)"


def test_first_problem_works_without_a_path():
    with pytest.raises(ValidationError) as caught:
        Postbox.Settings.model_validate({"colour": 5})
    assert first_problem(caught.value) == "colour: Input should be a valid string"
    with pytest.raises(ValidationError) as caught:
        Component.model_validate("x")
    assert not first_problem(caught.value).startswith(":")
