"""An in-memory store of access tokens, lockouts and used signatures."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from datetime import datetime

from evercert.authority.contracts.records import LoginFailures, Token


@dataclass
class FakeTokens:
    """The token store; `calls` has the names of called methods in order."""

    tokens: dict[str, Token] = field(default_factory=dict)
    signatures: dict[str, datetime] = field(default_factory=dict)
    holders: dict[str, str] = field(default_factory=dict)  # of signatures that may be repeated
    failures: dict[str, LoginFailures] = field(default_factory=dict)
    secrets: dict[str, int] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def keep(self, token: Token) -> None:
        self.calls.append("keep")
        assert token.digest not in self.tokens
        self.tokens[token.digest] = token

    def find(self, digest: str) -> Token | None:
        self.calls.append("find")
        return self.tokens.get(digest)

    def use(self, digest: str) -> bool:
        self.calls.append("use")
        with self._lock:
            token = self.tokens.get(digest)
            if token is None or not token.uses:
                return False
            self.tokens[digest] = replace(token, uses=token.uses - 1)
            return True

    def prolong(self, token: Token, expires_at: datetime | None) -> bool:
        self.calls.append("prolong")
        with self._lock:
            if token.digest not in self.tokens:
                return False
            self.tokens[token.digest] = replace(self.tokens[token.digest], expires_at=expires_at)
            return True

    def forget(self, digest: str) -> None:
        self.calls.append("forget")
        self.tokens.pop(digest, None)

    def take_signature(self, digest: str, until: datetime, holder: str | None = None) -> bool:
        self.calls.append("take_signature")
        with self._lock:
            if digest in self.signatures:
                return holder is not None and self.holders.get(digest) == holder and self.signatures[digest] == until
            self.signatures[digest] = until
            if holder is not None:
                self.holders[digest] = holder
            return True

    def login_failures(self, client_id: str) -> LoginFailures:
        self.calls.append("login_failures")
        return self.failures.get(client_id, LoginFailures())

    def replace_login_failures(
        self, client_id: str, seen: LoginFailures, changed: LoginFailures | None
    ) -> LoginFailures | None:
        self.calls.append("replace_login_failures")
        with self._lock:
            current = self.failures.get(client_id, LoginFailures())
            if current != seen:
                return current
            self.failures.pop(client_id, None)
            if changed is not None:
                self.failures[client_id] = changed
            return None

    def secret_used_up(self, secret_id: str, most: int) -> bool:
        self.calls.append("secret_used_up")
        return self.secrets.get(secret_id, 0) >= most

    def use_secret(self, secret_id: str, most: int) -> bool:
        self.calls.append("use_secret")
        with self._lock:
            if self.secrets.get(secret_id, 0) >= most:
                return False
            self.secrets[secret_id] = self.secrets.get(secret_id, 0) + 1
            return True
