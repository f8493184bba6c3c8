"""No sequence of API calls gains a certificate outside policy and ceiling: calls chosen and shrunk by hypothesis.

The oracle knows the policy that each profile had when the certificate was allowed, as it was written, and reads the
certificate itself. It shares no code with the authority.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from cryptography import x509
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from evercert.authority.ca.definition import Ceiling
from tests.doubles.authority.client import CERTIFICATES, PROFILES, REQUESTS
from tests.doubles.authority.manager import POLICIES, PROJECT, Manager

DOMAINS = ("a.example.com", "b.example.com", "x.example.org", "deep.a.example.com", "example.net")
PATTERNS = ("*.example.com", "a.example.com", "*.example.org", "*")
LONGEST = {"1d": timedelta(days=1), "30d": timedelta(days=30), "90d": timedelta(days=90)}
OIDS = {"server_auth": "1.3.6.1.5.5.7.3.1", "client_auth": "1.3.6.1.5.5.7.3.2"}
CEILING = Ceiling(dns=("*.example.com", "*.example.org"), longest=timedelta(days=60))
CEILING_DOMAINS = ("example.com", "example.org")
SLACK = timedelta(hours=1)  # certificates are backdated

domains, patterns, spans = st.sampled_from(DOMAINS), st.sampled_from(PATTERNS), st.sampled_from([*LONGEST, "90d"])
usages = st.sets(st.sampled_from(sorted(OIDS)), min_size=1)


def allowed(pattern: str, name: str) -> bool:
    """Return whether a pattern of these tests allows a name."""
    return pattern in {"*", name} or (pattern.startswith("*.") and name.endswith(pattern[1:]))


def names_of(leaf: x509.Certificate) -> set[str]:
    """Return the DNS names of the certificate, common name included."""
    extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    common = {str(one.value) for one in leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)}
    return common | set(extension.get_values_for_type(x509.DNSName))


class Calls(RuleBasedStateMachine):
    """A manager, a requester and an approver; after each call, every new certificate is judged."""

    @initialize()
    def begins(self) -> None:
        logging.disable(logging.CRITICAL)
        self.manager = Manager()
        setting = self.manager.setting
        for ca in setting.cas.values():
            if ca.ceiling is not None:
                setting.configuration.put(ca.model_copy(update={"ceiling": CEILING}))
        self.requester = setting.identity("request", "read-key", profile="shop/*", name="requester")[0]
        self.approver = setting.identity("approve", profile="shop/*", name="approver")[0]
        self.policies: dict[str, dict[str, Any]] = {}
        self.profiles: dict[str, str] = {}  # policies, by profile
        self.judged: set[str] = set()
        self.create_profile("*.example.com", "90d", {"server_auth"}, 0, 0)
        self.create_profile("*.example.com", "90d", {"server_auth"}, 3, 1)

    def act(self, who: Any, method: str, path: str, body: Any = None) -> Any:
        self.manager.token = self.manager.setting.token(who)
        response = self.manager.call(method, path, body)
        assert response.status < 500, response.body
        return response

    def rules_of(self, pattern: str, span: str, purposes: set[str]) -> dict[str, Any]:
        return {
            "subject": [{"type": "common_name", "allowed": [pattern]}],
            "sans": [{"type": "dns_name", "allowed": [pattern]}],
            "keyUsages": {"allowed": ["digital_signature", "key_encipherment"]},
            "extendedKeyUsages": {"allowed": sorted(purposes)},
            "algorithms": {"keyAlgorithm": ["ECDSA-P256"], "signature": ["SHA256-ECDSA"]},
            "validity": {"max": span},
        }

    @rule(pattern=patterns, span=spans, purposes=usages, number=st.integers(1, 2), approvals=st.integers(0, 1))
    def new_profile(self, pattern: str, span: str, purposes: set[str], number: int, approvals: int) -> None:
        self.create_profile(pattern, span, purposes, number, approvals)

    def create_profile(self, pattern: str, span: str, purposes: set[str], number: int, approvals: int) -> None:
        rules, name = self.rules_of(pattern, span, purposes), f"p{number}"
        made = self.act(self.manager.identity, "POST", POLICIES, {"projectId": PROJECT, "name": name, **rules})
        if made.status != 200:
            return
        policy = made.json["certificatePolicy"]["id"]
        self.policies[policy] = rules
        ids = [self.manager.ca("EC-issuing"), self.manager.ca("RSA-issuing")]
        body = {"projectId": PROJECT, "slug": name, "caIds": ids, "certificatePolicyId": policy}
        profile = self.act(
            self.manager.identity, "POST", PROFILES, {**body, "approvalConfig": {"requiredApprovals": approvals}}
        )
        assert profile.status == 200, profile.body
        self.profiles[profile.json["certificateProfile"]["id"]] = policy

    @rule(data=st.data(), pattern=patterns, span=spans, purposes=usages)
    def change_policy(self, data: st.DataObject, pattern: str, span: str, purposes: set[str]) -> None:
        if self.policies:
            policy = data.draw(st.sampled_from(list(self.policies)))
            rules = self.rules_of(pattern, span, purposes)
            if self.act(self.manager.identity, "PATCH", f"{POLICIES}/{policy}", rules).status == 200:
                self.policies[policy] = rules

    @rule(data=st.data())
    def move_profile(self, data: st.DataObject) -> None:
        if self.profiles:
            profile = data.draw(st.sampled_from(list(self.profiles)))
            policy = data.draw(st.sampled_from(list(self.policies)))
            body = {"certificatePolicyId": policy}
            if self.act(self.manager.identity, "PATCH", f"{PROFILES}/{profile}", body).status == 200:
                self.profiles[profile] = policy

    @rule(
        data=st.data(),
        names=st.sets(domains, max_size=2),
        days=st.sampled_from([1, 1, 20, 45, 100]),
        fits=st.integers(0, 4),
    )
    def request(self, data: st.DataObject, names: set[str], days: int, fits: int) -> None:
        self.ask(data, names, days, fits)

    def requests(self) -> list[Any]:
        return list(self.manager.setting.certificates.requests.values()) if hasattr(self, "manager") else []

    def ask(self, data: st.DataObject, names: set[str], days: int, fits: int) -> None:
        """Ask for a certificate; in most cases for names and purposes that the policy allows."""
        if not self.profiles:
            return
        profile = data.draw(st.sampled_from(list(self.profiles)))
        rules = self.policies[self.profiles[profile]]
        (pattern,), listed = rules["sans"][0]["allowed"], rules["extendedKeyUsages"]["allowed"]
        fitting = [one for one in DOMAINS if allowed(pattern, one)]
        chosen = {*data.draw(st.sets(st.sampled_from(fitting), min_size=1)), *(() if fits else names)}
        attributes = {
            "commonName": min(chosen),
            "altNames": [{"type": "dns_name", "value": one} for one in sorted(chosen)],
            "ttl": f"{days}d",
            "keyUsages": ["digital_signature"],
            "extendedKeyUsages": listed if fits != 1 else sorted(OIDS),
            "keyAlgorithm": "EC_prime256v1",
            "signatureAlgorithm": "ECDSA-SHA256",
        }
        self.act(self.requester, "POST", CERTIFICATES, {"profileId": profile, "attributes": attributes})

    @rule(data=st.data(), days=st.sampled_from([1, 20]))
    def request_what_fits(self, data: st.DataObject, days: int) -> None:
        self.ask(data, set(), days, 4)

    @precondition(lambda self: any(one.status == "pending_approval" for one in self.requests()))
    @rule(data=st.data(), who=st.sampled_from(["requester", "approver"]), what=st.sampled_from(["approve", "reject"]))
    def decide(self, data: st.DataObject, who: str, what: str) -> None:
        if waiting := [one.id for one in self.requests() if one.status == "pending_approval"]:
            request = data.draw(st.sampled_from(waiting))
            self.act(getattr(self, who), "POST", f"{REQUESTS}/{request}/{what}")

    @precondition(lambda self: any(one.status == "pending_approval" for one in self.requests()))
    @rule(data=st.data(), pattern=patterns, span=spans, purposes=usages)
    def change_policy_then_approve(self, data: st.DataObject, pattern: str, span: str, purposes: set[str]) -> None:
        """Chance alone seldom makes this sequence: a request that was allowed, and is not any more."""
        request = data.draw(st.sampled_from([one for one in self.requests() if one.status == "pending_approval"]))
        policy, rules = self.profiles[request.profile], self.rules_of(pattern, span, purposes)
        if self.act(self.manager.identity, "PATCH", f"{POLICIES}/{policy}", rules).status == 200:
            self.policies[policy] = rules
        self.act(self.approver, "POST", f"{REQUESTS}/{request.id}/approve")

    @precondition(lambda self: any(one.status == "issued" for one in self.requests()))
    @rule(data=st.data(), name=domains, extra=st.booleans(), days=st.integers(1, 100))
    def renew(self, data: st.DataObject, name: str, extra: bool, days: int) -> None:
        if known := list(self.manager.setting.certificates.certificates):
            attributes = {"altNames": [{"type": "dns_name", "value": name}], "ttl": f"{days}d"} if extra else {}
            certificate = data.draw(st.sampled_from(known))
            self.act(self.requester, "POST", f"{CERTIFICATES}/{certificate}/renew", {"attributes": attributes})

    @rule(hours=st.sampled_from([1, 30, 200]))
    def wait(self, hours: int) -> None:
        self.manager.setting.clock.now += timedelta(hours=hours)

    @invariant()
    def certificates_are_within_policy_and_ceiling(self) -> None:
        if hasattr(self, "manager"):
            for record in list(self.manager.setting.certificates.certificates.values()):
                if record.id not in self.judged:
                    self.judged.add(record.id)
                    problems = list(self.problems(record))
                    assert not problems, (problems, record.certificate)

    def problems(self, record: Any) -> Iterator[str]:
        """Yield what the certificate has outside of the policy of its profile, which has not changed since this call."""
        leaf = x509.load_pem_x509_certificate(record.certificate.encode())
        rules = self.policies[self.profiles[record.profile]]
        request = self.manager.setting.certificates.requests[record.request]
        (pattern,) = rules["sans"][0]["allowed"]
        for name in names_of(leaf):
            if not allowed(pattern, name):
                yield f"{name} is outside of {pattern}"
            if not any(name.endswith(f".{domain}") for domain in CEILING_DOMAINS):
                yield f"{name} is beyond the ceiling"
        span = leaf.not_valid_after_utc - leaf.not_valid_before_utc
        if span > min(LONGEST[rules["validity"]["max"]], CEILING.longest) + SLACK:
            yield f"it lives for {span}"
        purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        if extra := {one.dotted_string for one in purposes} - {
            OIDS[one] for one in rules["extendedKeyUsages"]["allowed"]
        }:
            yield f"its purposes {extra}"
        if request.approval is not None and not any(
            one.approved and one.by == self.approver.id for one in request.decisions
        ):
            yield "it has no approval of the approver"

    def teardown(self) -> None:
        logging.disable(logging.NOTSET)


TestCalls = Calls.TestCase
TestCalls.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
