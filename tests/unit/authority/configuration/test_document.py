"""Tests of `authority/v1` documents: parsed values, and every problem at its path."""

import copy

import pytest

from evercert.authority.configuration.document import AuthorityDocument, Known, read
from evercert.authority.configuration.profiles import Profile, id_of
from evercert.authority.policy.presets import PRESETS

GOOD = {
    "version": "authority/v1",
    "policies": {
        "web": {"preset": "tls-server", "validity": {"max": "30d"}},
        "own": {
            "subject": [{"type": "common-name", "allowed": ["*"]}],
            "keyUsages": {"required": ["digital-signature"]},
        },
    },
    "profiles": [
        {
            "slug": "tls-server",
            "project": "shop",
            "description": "All servers",
            "cas": ["issuing-ec", "issuing-rsa"],
            "policy": "web",
        },
        {
            "slug": "own",
            "project": "shop",
            "cas": ["issuing-ec"],
            "policy": "own",
            "defaults": {"ttl-days": 7, "basicConstraints": {"is-ca": False}},
        },
        {
            "slug": "own",
            "project": "play",
            "issuer-type": "self-signed",
            "policy": "tls-client",
            "defaults": {"ttlDays": None},
        },
    ],
    "applications": [{"name": "my-app", "project": "shop", "profiles": ["tls-server", "own"]}],
}
KNOWN = Known(cas=("issuing-ec", "issuing-rsa"), profiles=("shop/older",))


def changed(path, value):
    data = copy.deepcopy(GOOD)
    part = data
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    return data


def problems(path, value):
    found = read(changed(path, value), "evercert", KNOWN)
    assert isinstance(found, list)
    return {problem.path: problem.message for problem in found}


def test_read_returns_document():
    document = read(GOOD, "evercert", KNOWN)
    assert isinstance(document, AuthorityDocument)
    assert document.projects == ("play", "shop")
    web, own, client = document.profiles
    assert web.id == id_of("evercert", "profile", "shop/tls-server") != read(GOOD, "other").profiles[0].id
    assert (web.key, web.description, web.cas, web.policy_name) == (
        "shop/tls-server",
        "All servers",
        ("issuing-ec", "issuing-rsa"),
        "web",
    )
    assert (own.policy, own.defaults) == (document.policies["own"], {"ttlDays": 7, "basicConstraints": {"isCA": False}})
    assert (client.issuer_type, client.cas, client.policy) == ("self-signed", (), PRESETS["tls-client"].policy)
    (application,) = document.applications
    assert (application.id, application.profiles) == (id_of("evercert", "application", "my-app"), ("tls-server", "own"))


def test_preset_defaults_yield_to_policy_and_profile():
    web, own, client = read(GOOD, "evercert").profiles
    assert web.defaults == {**PRESETS["tls-server"].defaults, "ttlDays": 30}
    assert "keyAlgorithm" not in own.defaults
    assert "ttlDays" not in client.defaults
    assert (
        "ttlDays" not in read(changed(("policies", "web", "validity"), {"max": "12h"}), "evercert").profiles[0].defaults
    )


def test_policy_overrides_parts_of_its_preset():
    policy = read(GOOD, "evercert").policies["web"]
    assert policy.validity.max == "30d"
    assert policy.model_copy(update={"validity": PRESETS["tls-server"].policy.validity}) == PRESETS["tls-server"].policy


def test_profile_survives_serialization():
    for profile in read(GOOD, "evercert").profiles:
        assert Profile.model_validate(profile.model_dump(mode="json", by_alias=True)) == profile


def test_application_may_name_existing_profiles():
    assert isinstance(read(changed(("applications", 0, "profiles"), ["older"]), "evercert", KNOWN), AuthorityDocument)


@pytest.mark.parametrize(
    ("path", "value", "place", "message"),
    [
        (("version",), "v2", ("version",), "authority/v1"),
        (("profile",), [], ("profile",), "unknown key 'profile'; did you mean 'profiles'?"),
        (("policies",), [], ("policies",), "write a mapping"),
        (("policies", "web"), "tls-server", ("policies", "web"), "write a mapping"),
        (("policies", "web", "preset"), "tls-servr", ("policies", "web", "preset"), "did you mean 'tls-server'?"),
        (("policies", "web", "preset"), {}, ("policies", "web", "preset"), "unknown preset"),
        (("policies", "web", "presets"), "x", ("policies", "web", "presets"), "did you mean 'preset'?"),
        (("policies", "own", "Validity"), {"max": "5w"}, ("policies", "own", "validity", "max"), "such as 90d"),
        (("policies", "own", "key-usages"), {}, ("policies", "own"), "duplicate key"),
        (("policies", "own", "subject"), [{"type": "common_name"}], ("policies", "own", "subject", 0), "at least one of"),
        (("policies", "own", "sans"), [{"type": "dns_name", "allow": ["*"]}], ("policies", "own", "sans", 0, "allow"), "did you mean 'allowed'?"),
        (("policies", "own", "basic-constraints"), {"isCA": "required"}, ("policies", "own", "basic-constraints", "is-ca"), "no CA certificates"),
        (("policies", "a b"), {"preset": "mtls"}, ("policies", "a b"), "must be 1 to 255 letters"),
        (("profiles", 0, "slug"), "../tls", ("profiles", 0, "slug"), "must be 1 to 255 lower-case letters"),
        (("profiles", 0, "slug"), "tls-server\n", ("profiles", 0, "slug"), "must be 1 to 255 lower-case letters"),
        (("profiles", 0, "project"), "Shop", ("profiles", 0, "project"), "must be 1 to 255 lower-case letters"),
        (("profiles", 1, "slug"), "tls-server", ("profiles", 1, "slug"), "already exists in project"),
        (("profiles", 0, "description"), "a" * 1001, ("profiles", 0, "description"), "at most 1000"),
        (("profiles", 0, "ca"), ["x"], ("profiles", 0, "ca"), "did you mean 'cas'?"),
        (("profiles", 0, "cas"), [], ("profiles", 0, "cas"), "missing CAs: name one issuing CA"),
        (("profiles", 0, "cas"), ["issuing-ec", "issuing-ec"], ("profiles", 0, "cas", 1), "duplicate CA"),
        (("profiles", 0, "cas"), ["issuing-ex"], ("profiles", 0, "cas", 0), "did you mean 'issuing-ec'?"),
        (("profiles", 2, "cas"), ["issuing-ec"], ("profiles", 2, "cas"), "unexpected CAs"),
        (("profiles", 0, "policy"), "wep", ("profiles", 0, "policy"), "did you mean 'web'?"),
        (("profiles", 0, "defaults"), {"ttl-dayz": 1}, ("profiles", 0, "defaults", "ttl-dayz"), "did you mean 'ttl-days'?"),
        (("profiles", 0, "defaults"), {"ttlDays": 0}, ("profiles", 0, "defaults", "ttl-days"), "greater than or equal"),
        (("profiles", 0, "defaults"), {"ttlDays": 1, "ttl-days": 2}, ("profiles", 0, "defaults"), "duplicate key"),
        (("profiles", 0, "defaults"), {"ttl-days": 31}, ("profiles", 0, "defaults"), "Profile defaults violate policy: Requested validity"),
        (("profiles", 0, "defaults"), {"organization": "x"}, ("profiles", 0, "defaults"), "Profile defaults violate policy: organization is not"),
        (("profiles", 0, "defaults"), {"key-usages": ["key_encipherment"]}, ("profiles", 0, "defaults"), "Profile defaults violate policy: Missing"),
        (("profiles", 1, "defaults"), {"extended-key-usages": ["time_stamping", "server_auth"]},
            ("profiles", 1, "defaults", "extended-key-usages"), "must be the only purpose (RFC 3161 §2.3)"),
        (("applications", 0, "profiles"), ["tls-serve"], ("applications", 0, "profiles", 0), "did you mean 'tls-server'?"),
        (("applications", 0, "profiles"), ["own", "own"], ("applications", 0, "profiles", 1), "duplicate profile own"),
        (("applications", 0, "project"), "play", ("applications", 0, "profiles", 0), "in project play"),
        (("applications", 0, "project"), "none", ("applications", 0, "profiles", 0), "in project none"),
        (("applications", 0, "name"), "my app", ("applications", 0, "name"), "must be 1 to 255 letters"),
    ],
)  # fmt: skip
def test_read_reports_problem_at_its_path(path, value, place, message):
    assert message in problems(path, value)[place]


def test_application_names_are_unique():
    assert "duplicate application" in problems(("applications",), GOOD["applications"] * 2)[("applications", 1, "name")]


def test_read_reports_all_problems():
    data = changed(("profiles", 0, "slug"), "UP")
    data["policies"]["own"]["validity"] = {"max": "x"}
    data["applications"][0]["names"] = 1
    assert {problem.path for problem in read(data, "evercert")} == {
        ("profiles", 0, "slug"), ("policies", "own", "validity", "max"), ("applications", 0, "names"),
    }  # fmt: skip


@pytest.mark.parametrize("data", [None, [], "text", 5, {1: 2}, {"version": "authority/v1", "policies": {1: {}}}])
def test_read_returns_problems_for_any_data(data):
    assert isinstance(read(data, "evercert"), list)
