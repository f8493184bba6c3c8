"""Properties of all policies and requests: rules hold, denied values fail, and more rules never allow more.

A random policy refuses most requests, which tests little. So each policy is generated for its request, and one test
checks how many requests pass. Regular expressions serve as the reference implementation of patterns.
"""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from evercert.authority.policy.evaluation import find_violations
from evercert.authority.policy.policy import Policy
from evercert.authority.requests.effective_request import EffectiveRequest
from evercert.pki.identifiers import Identifier

NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)
PATTERN = st.lists(st.sampled_from(["a", "b", "*"]), min_size=1, max_size=3).map(".".join)
HOST = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map(".".join)
NAME = st.one_of(HOST, HOST, HOST.map(lambda host: f"*.{host}"))
SUBJECT = ["common_name", "organization", "locality"]
SANS = {"dns_name": "dns", "email": "email", "uri": "uri"}
WORDS = {
    "key-usages": ["digital_signature", "key_agreement", "data_encipherment"],
    "extended-key-usages": ["server_auth", "client_auth", "code_signing"],
}
KEYS = ["RSA_2048", "EC_prime256v1"]
SIGNATURES = {"RSA-SHA256": "SHA256-RSA", "ECDSA-SHA256": "SHA256-ECDSA"}
LONGEST = {"1d": timedelta(days=1), "30d": timedelta(days=30), "1y": timedelta(days=365)}


def named(kind: str, host: str) -> str:
    return {"email": f"me@{host}", "uri": f"spiffe://x/{host}"}.get(kind, host)


def few(values, least=0):
    return st.lists(values, min_size=least, max_size=2, unique=True)


@st.composite
def requests(draw):
    names = [
        Identifier(kind, named(word, host.removeprefix("*.") if word != "dns_name" else host))
        for word, kind in draw(few(st.sampled_from(sorted(SANS.items()))))
        for host in draw(few(NAME, 1))
    ]
    usages = {part: tuple(draw(few(st.sampled_from(words)))) for part, words in WORDS.items()}
    return EffectiveRequest(
        subject={kind: (draw(NAME),) for kind in draw(few(st.sampled_from(SUBJECT)))},
        names=tuple(dict.fromkeys(names)),
        key_usages=(*usages["key-usages"], *draw(st.sampled_from([*[()] * 9, ("key_cert_sign",)]))),
        extended_key_usages=usages["extended-key-usages"],
        key_algorithm=draw(st.sampled_from([None, *KEYS])),
        signature_algorithm=draw(st.sampled_from([None, *SIGNATURES])),
        ttl=draw(st.sampled_from([timedelta(hours=12), timedelta(days=10), timedelta(days=90)])),
    )


def values_of(request: EffectiveRequest) -> dict[tuple[str, str], list[str]]:
    """Return the requested values, by the rule that applies to them."""
    found: dict[tuple[str, str], list[str]] = {
        ("subject", kind): list(request.subject.get(kind, ())) for kind in SUBJECT
    }
    for word, kind in SANS.items():
        found["sans", word] = [name.value for name in request.names if name.kind == kind]
    return found


@st.composite
def rule_for(draw, kind, values):
    """Generate a rule that mostly allows the values."""
    pattern = PATTERN.map(lambda text: named(kind, text))
    mine = st.sampled_from(values) if values else st.just("*")
    lists = {"allowed": draw(st.sampled_from([["*"], values or ["*"], [*values[:1], "*a"], [named(kind, "a")], []]))}
    lists["required"] = draw(few(mine)) if draw(st.integers(0, 3)) == 3 and (values or draw(st.booleans())) else []
    lists["denied"] = draw(few(pattern, 1)) if draw(st.integers(0, 7)) == 7 else []
    found = {word: list(dict.fromkeys(patterns)) for word, patterns in lists.items() if patterns}
    return found or {"denied": [draw(pattern)]}


@st.composite
def requests_with_policies(draw):
    """Generate a request, and a policy for it."""
    request = draw(requests())
    policy: dict[str, Any] = {"subject": [], "sans": []}
    for (part, kind), values in values_of(request).items():
        if draw(st.integers(0, 19)) < (19 if values else 4):
            policy[part].append({"type": kind, **draw(rule_for(kind, values))})
    for part, requested in (("key-usages", request.key_usages), ("extended-key-usages", request.extended_key_usages)):
        more = draw(few(st.sampled_from(WORDS[part])))
        lists = (
            {"allowed": list(dict.fromkeys([*requested, *more]))} if draw(st.integers(0, 4)) < 4 else {"allowed": more}
        )
        if requested and draw(st.booleans()):
            lists["required"] = [one for one in requested[:1] if one != "key_cert_sign"]
        elif draw(st.integers(0, 5)) == 5:
            lists["required"] = draw(few(st.sampled_from(WORDS[part]), 1))
        if draw(st.integers(0, 4)) == 4:
            lists["denied"] = draw(few(st.sampled_from([*requested, *requested, *WORDS[part]]), 1))
        if lists := {word: usages for word, usages in lists.items() if usages}:
            policy[part] = lists
    signs, words = request.signature_algorithm, list(SIGNATURES.values())
    algorithms: dict[str, list[str]] = {}
    if request.key_algorithm is not None or draw(st.integers(0, 7)) == 7:
        algorithms["key-algorithm"] = draw(st.sampled_from([KEYS, KEYS, [request.key_algorithm or KEYS[0]], KEYS[:1]]))
    if signs is not None or draw(st.integers(0, 7)) == 7:
        algorithms["signature"] = draw(st.sampled_from([words, words, [SIGNATURES[signs or "RSA-SHA256"]], words[:1]]))
    longest = draw(st.sampled_from([None, None, "1y", "1y", "1y", *LONGEST]))
    return request, {**policy, "algorithms": algorithms} | ({} if longest is None else {"validity": {"max": longest}})


def allowed(request, policy):
    return not find_violations(request, Policy.model_validate(policy), NOW)


def fits(pattern: str, value: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), value) is not None


def rules(policy):
    return {(part, rule["type"]): rule for part in ("subject", "sans") for rule in policy[part]}


def test_strategy_allows_and_refuses_enough_requests() -> None:
    counted: Counter[str] = Counter()

    @settings(max_examples=200, database=None, derandomize=True)
    @given(requests_with_policies())
    def count(pair):
        request, policy = pair
        fields = [name for name in ("subject", "names", "key_usages", "extended_key_usages") if getattr(request, name)]
        counted.update([f"{name} {allowed(request, policy)}" for name in ("any", *fields)])

    count()
    for name in ("any", "subject", "names", "key_usages", "extended_key_usages"):
        assert min(counted[f"{name} True"], counted[f"{name} False"]) >= 15, counted


@settings(max_examples=400, deadline=None)
@given(requests_with_policies())
def test_allowed_request_satisfies_every_rule(pair):
    request, policy = pair
    if not allowed(request, policy):
        return
    there = rules(policy)
    for (part, kind), values in values_of(request).items():
        lists = there.get((part, kind))
        if lists is None:
            assert values == []
            continue
        known = [*lists.get("allowed", []), *lists.get("required", [])]
        for value in values:
            assert not known or any(fits(pattern, value) for pattern in known)
            assert not any(fits(pattern, value) for pattern in lists.get("denied", []))
        needed = [any(fits(pattern, value) for value in values) for pattern in lists.get("required", [])]
        assert not needed or (all(needed) if part == "sans" else any(needed))
    for part, requested in (("key-usages", request.key_usages), ("extended-key-usages", request.extended_key_usages)):
        lists = policy.get(part, {})
        required = set(lists.get("required", []))
        assert required <= set(requested) <= required | set(lists.get("allowed", []))
        assert not set(requested) & set(lists.get("denied", []))
    for part, one in (
        ("key-algorithm", request.key_algorithm),
        ("signature", SIGNATURES.get(request.signature_algorithm)),
    ):
        known = policy["algorithms"].get(part)
        assert one is None if known is None else one in known
    assert request.ttl <= LONGEST.get(policy.get("validity", {}).get("max"), request.ttl)
    assert not request.ca


@given(requests_with_policies(), st.data())
def test_denied_pattern_never_passes(pair, data):
    """Deny each value in turn, a host that a wildcard covers, and a prefix."""
    request, policy = pair
    there = rules(policy)
    for key, values in values_of(request).items():
        for value in values if key in there else ():
            wide = key[1] in {"dns_name", "common_name"}
            hosts = [value.replace("*", label) for label in ("a", "b", "c") if wide]
            cut = data.draw(st.integers(0, len(value)))
            for pattern in dict.fromkeys((value, *hosts, f"{value[:cut]}*")):
                rule = {**there[key], "denied": [*there[key].get("denied", []), pattern]}
                rule["denied"] = list(dict.fromkeys(rule["denied"]))
                others = [one for one in policy[key[0]] if one["type"] != key[1]]
                assert not allowed(request, {**policy, key[0]: [*others, rule]})


def looser(policy):
    """Yield the policy with one rule removed or relaxed."""
    yield {key: value for key, value in policy.items() if key != "validity"}
    yield {**policy, "algorithms": {part: ["any"] for part in policy["algorithms"]}}
    for part, words in WORDS.items():
        if lists := policy.get(part):
            free = [*lists.get("allowed", []), *lists.get("required", [])]
            yield {**policy, part: {**lists, "allowed": list(dict.fromkeys([*free, *words]))}}
            if free:
                rest = {word: usages for word, usages in lists.items() if word == "denied"}
                yield {**policy, part: {**rest, "allowed": list(dict.fromkeys(free))}}
                yield {**policy, part: {word: usages for word, usages in lists.items() if word != "denied"}}
    for (part, kind), rule in rules(policy).items():
        others = [one for one in policy[part] if one["type"] != kind]
        lists = {word: patterns for word, patterns in rule.items() if word != "type"}
        free = list(dict.fromkeys([*lists.get("allowed", []), *lists.get("required", [])]))
        denied = {"denied": lists["denied"]} if "denied" in lists else {}
        variants = [{"allowed": ["*"], **denied}]
        if free:
            variants += [{**denied, "allowed": free}, {word: lists[word] for word in lists if word != "denied"}]
        if denied:
            variants.append(denied)  # a rule with denied alone allows everything else
        if "allowed" in lists:
            variants.append({**lists, "allowed": list(dict.fromkeys([*lists["allowed"], "a*"]))})
        yield from ({**policy, part: [*others, {"type": kind, **one}]} for one in variants)


@given(requests_with_policies())
def test_relaxed_policy_allows_no_less(pair):
    """Adding a rule never allows more: what a policy allows, a relaxed policy allows too.

    Exception: a first rule for a type, which allows values of it.
    """
    request, policy = pair
    if allowed(request, policy):
        for less in looser(policy):
            assert allowed(request, less), less


@given(requests_with_policies())
def test_no_policy_allows_a_ca(pair):
    request, policy = pair
    assert not (request.ca and allowed(request, policy))
