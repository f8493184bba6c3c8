"""Login of Kubernetes service accounts: their cluster reviews the token, or its public keys verify it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from evercert.authority.api_errors import bad_request, unauthorized
from evercert.authority.configuration.token_logins import KubernetesLogin
from evercert.authority.logins.bounds import has_audience
from evercert.authority.logins.json_web_token import parse, verify
from evercert.authority.logins.key_sets import KeySets, WebDocuments
from evercert.authority.policy.patterns import matches_exactly
from evercert.errors import Misconfigured
from evercert.schema import printable

REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
_SERVICE_ACCOUNT = re.compile(r"system:serviceaccount:([a-z0-9-]{1,63}):([a-z0-9.-]{1,253})")
_OK = range(200, 300)
_REFUSED = {401, 403}


class KubernetesAuth:
    """Check tokens of service accounts."""

    def __init__(self, documents: WebDocuments, keys: KeySets, clock: Callable[[], datetime]) -> None:
        self._documents = documents
        self._keys = keys
        self._clock = clock

    def require(self, login: KubernetesLogin, text: str) -> None:
        """Raise Refusal (401, 400), or ValueError for an invalid token; Unavailable if the cluster does not answer."""
        token = parse(text)
        if login.mode == "review":
            username, audiences = self._reviewed(login, text)
        else:
            keys = self._keys.discovered(login.host, login.certificates, token.key_id)
            verify(token, keys, self._clock())
            if str(token.claims.get("iss")).rstrip("/") != login.host.rstrip("/"):
                raise unauthorized("Access denied: K8s issuer not allowed.")
            username, audiences = token.claims.get("sub"), token.claims.get("aud")
        account = _SERVICE_ACCOUNT.fullmatch(username) if isinstance(username, str) else None
        if account is None:
            raise bad_request("The token is not one of a Kubernetes service account")
        if login.namespaces and not any(matches_exactly(one, account[1]) for one in login.namespaces):
            raise unauthorized("Access denied: K8s namespace not allowed.")
        if login.names and not any(matches_exactly(one, account[2]) for one in login.names):
            raise unauthorized("Access denied: K8s name not allowed.")
        if login.audience and not has_audience({"aud": audiences}, login.audience):
            raise unauthorized("Access denied: K8s audience not allowed.")

    def _reviewed(self, login: KubernetesLogin, text: str) -> tuple[object, object]:
        """Return user name and audiences of a token that the cluster accepts.

        The token itself authorizes the review, so its service account needs the role `system:auth-delegator`.
        """
        spec: dict[str, Any] = {"token": text}
        if login.audience:
            spec["audiences"] = [login.audience]
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        url = login.host.rstrip("/") + REVIEWS
        status, answer = self._documents.post(url, login.certificates, text, body)
        if status in _REFUSED:
            raise unauthorized(
                f"Access denied: the cluster refused the review ({status}): the token is invalid, or its service"
                " account lacks the role system:auth-delegator"
            )
        found = answer.get("status") if isinstance(answer, Mapping) else None
        if status not in _OK or not isinstance(found, Mapping):
            raise Misconfigured(f"{url} answered {status} without a TokenReview: check the address")
        if found.get("error"):
            raise unauthorized(f"Access denied: {printable(str(found['error']), 200)}")
        if found.get("authenticated") is not True:
            raise unauthorized("Kubernetes token not authenticated")
        user = found.get("user")
        return user.get("username") if isinstance(user, Mapping) else None, found.get("audiences")
