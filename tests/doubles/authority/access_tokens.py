"""An in-memory store of access tokens, lockouts and used signatures."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from evercert.authority.contracts.records import Token


@dataclass
class Failures:
    """Failed logins of one client ID."""

    count: int = 0
    counted_until: datetime | None = None
    locked_until: datetime | None = None


@dataclass
class FakeTokens:
    """The token store; `calls` has the names of called methods in order."""

    tokens: dict[str, Token] = field(default_factory=dict)
    signatures: dict[str, datetime] = field(default_factory=dict)
    holders: dict[str, str] = field(default_factory=dict)  # of signatures that may be repeated
    failures: dict[str, Failures] = field(default_factory=dict)
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

    def locked_until(self, client_id: str) -> datetime | None:
        self.calls.append("locked_until")
        found = self.failures.get(client_id)
        return found.locked_until if found else None

    def failed(self, client_id: str, now: datetime, most: int, window: float, duration: float) -> datetime | None:
        self.calls.append("failed")
        if most == 0:
            return None
        with self._lock:
            found = self.failures.setdefault(client_id, Failures())
            within = found.counted_until is not None and now < found.counted_until
            found.count = found.count + 1 if within else 1
            found.counted_until = now + timedelta(seconds=window)
            if found.count < most:
                return None
            found.count, found.counted_until = 0, None
            found.locked_until = now + timedelta(seconds=duration)
            return found.locked_until

    def succeeded(self, client_id: str) -> None:
        self.calls.append("succeeded")
        if client_id in self.failures:
            self.failures[client_id].count, self.failures[client_id].counted_until = 0, None

    def use_secret(self, secret_id: str, most: int) -> bool:
        self.calls.append("use_secret")
        with self._lock:
            if self.secrets.get(secret_id, 0) >= most:
                return False
            self.secrets[secret_id] = self.secrets.get(secret_id, 0) + 1
            return True
