"""What holds for every policy and every request: rules are kept, denied is denied, and more rules never allow more."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from evercert.authority.policies.evaluation import problems
from evercert.authority.policies.patterns import allows, denies
from evercert.authority.policies.policy import Policy
from evercert.authority.policies.wish import Wish
from evercert.identifiers import Identifier

NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)
LABEL = st.sampled_from(["a", "b", "*"])
PATTERN = st.lists(LABEL, min_size=1, max_size=3).map(".".join)
HOST = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map(".".join)
NAME = st.one_of(HOST, HOST.map(lambda host: f"*.{host}"))
USAGES = ["digital_signature", "key_agreement", "key_cert_sign"]
KEYS = ["RSA_2048", "EC_prime256v1"]


def some(values, most=3):
    return st.lists(values, min_size=1, max_size=most, unique=True)


def rules(values):
    """At least one of the three lists."""
    lists = {word: some(values) for word in ("allowed", "required", "denied")}
    return st.fixed_dictionaries({}, optional=lists).filter(bool)


POLICY = st.fixed_dictionaries(
    {},
    optional={
        "subject": rules(PATTERN).map(lambda lists: [{"type": "common_name", **lists}]),
        "sans": rules(PATTERN).map(lambda lists: [{"type": "dns_name", **lists}]),
        "key-usages": rules(st.sampled_from(USAGES)).filter(
            lambda lists: "key_cert_sign" not in lists.get("required", [])
        ),
        "algorithms": st.fixed_dictionaries({}, optional={"key-algorithm": some(st.sampled_from(KEYS))}),
        "validity": st.sampled_from([{"max": "1d"}, {"max": "30d"}]),
    },
)
WISH = st.builds(
    Wish,
    subject=st.one_of(st.just({}), NAME.map(lambda name: {"common_name": (name,)})),
    names=st.lists(NAME.map(lambda name: Identifier("dns", name)), max_size=3, unique=True).map(tuple),
    key_usages=st.lists(st.sampled_from(USAGES), max_size=2, unique=True).map(tuple),
    key_algorithm=st.sampled_from([None, *KEYS]),
    ttl=st.sampled_from([timedelta(hours=12), timedelta(days=10), timedelta(days=90)]),
)  # fmt: skip


def allowed(wish, policy):
    return not problems(wish, Policy.model_validate(policy), NOW)


def rule(policy, part):
    return policy[part][0] if policy.get(part) else None


@given(WISH, POLICY)
def test_what_is_allowed_satisfies_every_rule(wish, policy):
    if not allowed(wish, policy):
        return
    names = [name.value for name in wish.names]
    for kind, values, lists in (
        ("common_name", list(wish.subject.get("common_name", ())), rule(policy, "subject")),
        ("dns_name", names, rule(policy, "sans")),
    ):
        if lists is None:
            assert values == []
            continue
        known = [*lists.get("allowed", []), *lists.get("required", [])]
        for value in values:
            assert not known or any(allows(kind, pattern, value) for pattern in known)
            assert not any(denies(kind, pattern, value) for pattern in lists.get("denied", []))
        needed = [any(allows(kind, pattern, value) for value in values) for pattern in lists.get("required", [])]
        assert not needed or (all(needed) if kind == "dns_name" else any(needed))
    usages = policy.get("key-usages", {})
    assert (
        set(usages.get("required", []))
        <= set(wish.key_usages)
        <= {*usages.get("required", []), *usages.get("allowed", [])}
    )
    assert not set(wish.key_usages) & set(usages.get("denied", []))
    known = policy.get("algorithms", {}).get("key-algorithm")
    assert wish.key_algorithm is None if known is None else wish.key_algorithm in known
    assert wish.ttl <= {"1d": timedelta(days=1), "30d": timedelta(days=30)}.get(
        policy.get("validity", {}).get("max"), wish.ttl
    )
    assert not wish.ca


@given(WISH, POLICY)
def test_a_denied_pattern_never_passes(wish, policy):
    for name in wish.names:
        hosts = [name.value.replace("*", label) for label in ("a", "b", "c")]
        for pattern in (rule(policy, "sans") or {}).get("denied", []):
            if any(allows("dns_name", pattern, host) for host in hosts):
                assert not allowed(wish, policy)


@given(WISH, POLICY, PATTERN, st.sampled_from(USAGES), st.sampled_from(["subject", "sans"]))
def test_one_more_rule_never_allows_more(wish, policy, pattern, usage, part):
    """A rule for a type that had none gives words to it; everything else only takes away."""
    stricter = [{**policy, "validity": {"max": "1d"}}]  # the shortest there is
    usages = policy.get("key-usages")
    if usages:
        stricter.append({**policy, "key-usages": {**usages, "denied": sorted({*usages.get("denied", []), usage})}})
    lists = rule(policy, part)
    if lists:
        stricter.append({**policy, part: [{**lists, "denied": sorted({*lists.get("denied", []), pattern})}]})
        if not {"allowed", "required"} & set(lists):
            stricter.append({**policy, part: [{**lists, "allowed": [pattern]}]})
            stricter.append({**policy, part: [{**lists, "required": [pattern]}]})
        if len(lists.get("allowed", [])) > 1:
            stricter.append({**policy, part: [{**lists, "allowed": lists["allowed"][1:]}]})
    for more in stricter:
        assert allowed(wish, policy) or not allowed(wish, more)


@given(WISH, POLICY)
def test_no_policy_makes_a_ca(wish, policy):
    open_wide = {**policy, "basic-constraints": {"is-ca": "denied"}}
    assert not (wish.ca and allowed(wish, open_wide))
