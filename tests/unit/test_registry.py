"""Registers: loaded when used, checked by the type's own model, helpful when mistyped."""

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
def test_every_registered_kind_loads_and_has_settings(register, kind):
    assert issubclass(register.load(kind).Settings, BaseModel)


def test_a_kind_is_imported_only_when_it_is_used():
    assert REGISTER.settings(Component(type="postbox")).colour == "yellow"
    with pytest.raises(ModuleNotFoundError):
        REGISTER.load("broken")


def test_an_unknown_kind_is_told_with_the_nearest_one():
    with pytest.raises(Misconfigured, match=r"there is no destination type 'postbx'; did you mean 'postbox'\?"):
        REGISTER.load("postbx")


def test_a_kind_unlike_all_others_is_told_with_what_there_is():
    with pytest.raises(Misconfigured, match=r"\(known: broken, postbox\)"):
        REGISTER.load("42")


def test_settings_see_the_context():
    found = REGISTER.settings(Component.model_validate({"type": "postbox", "colour": "red"}), certificate="web")
    assert (found.colour, found.certificate) == ("red", "web")


def test_wrong_settings_are_told_with_the_type_and_the_key_but_never_with_the_value():
    with pytest.raises(Misconfigured) as caught:
        REGISTER.settings(Component.model_validate({"type": "postbox", "pasword": "hunter2"}))
    assert "destination of type postbox: pasword" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_nearest_takes_lists_too():
    assert nearest("commonname", ["common-name", "ttl"]) == "; did you mean 'common-name'?"
    assert nearest("zzz", ["ttl", "alt-names"]) == " (known: alt-names, ttl)"


def test_a_problem_of_the_whole_is_told_without_a_place():
    with pytest.raises(ValidationError) as caught:
        Postbox.Settings.model_validate({"colour": 5})
    assert first_problem(caught.value) == "colour: Input should be a valid string"
    with pytest.raises(ValidationError) as caught:
        Component.model_validate("x")
    assert not first_problem(caught.value).startswith(":")
