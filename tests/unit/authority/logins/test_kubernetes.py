"""Answers of a cluster to a TokenReview."""

from __future__ import annotations

from typing import Any

import pytest

from evercert.authority.api_errors import Refusal
from evercert.authority.configuration.token_logins import KubernetesLogin
from evercert.authority.logins.key_sets import KeySets
from evercert.authority.logins.kubernetes import KubernetesAuth
from evercert.errors import Misconfigured
from tests.doubles.authority.token_issuers import HOST, TokenIssuers
from tests.doubles.fakes import HandClock

USER = {"username": "system:serviceaccount:default:evercert"}


class Reviewing(TokenIssuers):
    """A cluster that answers with one status and body."""

    answer: tuple[int, Any] = (201, None)

    def post(self, url: str, certificates: str, token: str, body: Any) -> tuple[int, object]:
        super().post(url, certificates, token, body)
        return self.answer


def reviewed(status: int, answer: Any) -> Reviewing:
    clock = HandClock()
    issuers = Reviewing(clock)
    issuers.answer = (status, answer)
    login = KubernetesLogin(host=HOST, certificates="pem", audience="evercert")
    KubernetesAuth(issuers, KeySets(issuers, clock), clock).require(login, issuers.cluster.token())
    return issuers


def test_review_names_the_audience() -> None:
    status = {"authenticated": True, "user": USER, "audiences": ["evercert"]}
    issuers = reviewed(201, {"status": status})
    assert issuers.cluster.reviews == [["evercert"]]
    assert issuers.fetched == [(f"{HOST}/apis/authentication.k8s.io/v1/tokenreviews", "pem")]


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ({}, "Kubernetes token not authenticated"),
        ({"authenticated": False, "user": USER, "audiences": ["evercert"]}, "Kubernetes token not authenticated"),
        ({"authenticated": "true", "user": USER, "audiences": ["evercert"]}, "Kubernetes token not authenticated"),
        ({"authenticated": True, "error": "token expired", "user": USER}, "Access denied: token expired"),
        ({"authenticated": True, "user": USER}, "K8s audience not allowed"),
        ({"authenticated": True, "user": USER, "audiences": ["other"]}, "K8s audience not allowed"),
        ({"authenticated": True, "user": "x"}, "not one of a Kubernetes service account"),
        ({"authenticated": True, "user": {"username": "system:node:a"}}, "not one of a Kubernetes service account"),
    ],
)
def test_review_that_does_not_fit_is_refused(status: dict[str, Any], message: str) -> None:
    with pytest.raises(Refusal, match=message):
        reviewed(201, {"status": status})


@pytest.mark.parametrize("status", [401, 403])
def test_refused_review_names_the_role(status: int) -> None:
    with pytest.raises(Refusal, match="system:auth-delegator"):
        reviewed(status, None)


@pytest.mark.parametrize(
    ("status", "answer"), [(400, None), (404, None), (422, None), (200, None), (200, []), (200, {"status": 1})]
)
def test_other_answers_are_a_fault_of_the_address(status: int, answer: Any) -> None:
    with pytest.raises(Misconfigured, match=f"answered {status} without a TokenReview: check the address"):
        reviewed(status, answer)
