"""Session of one browser: a one-time token, which the first load exchanges for a cookie."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field


def _secret() -> str:
    return secrets.token_urlsafe(32)


@dataclass
class Session:
    """Secrets of one run of the console, and messages for the next page.

    `host` is a name of loopback that no other server had: browsers keep service workers and cookies by host, also
    those of another user's server at the same port. `path` begins all addresses of the run, and limits the cookie to
    it. Neither is a secret: every request needs the cookie too.
    """

    token: str = field(default_factory=_secret, repr=False)
    cookie: str = field(default_factory=_secret, repr=False)
    csrf: str = field(default_factory=_secret, repr=False)
    host: str = field(default_factory=lambda: f"{secrets.token_hex(8)}.localhost")
    path: str = field(default_factory=lambda: f"/console-{secrets.token_hex(8)}")
    messages: list[tuple[str, str]] = field(default_factory=list)
    _used: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def exchange(self, token: str) -> bool:
        """Use the token; return False if it is wrong or was used before."""
        with self._lock:
            right = secrets.compare_digest(token.encode(), self.token.encode()) and not self._used
            self._used = self._used or right
        return right

    def accepts_cookie(self, value: str) -> bool:
        """Whether the cookie is that of this session, which exists since the exchange."""
        return self._used and secrets.compare_digest(value.encode(), self.cookie.encode())

    def accepts_form(self, value: str) -> bool:
        """Whether the form was made by a page of this session."""
        return secrets.compare_digest(value.encode(), self.csrf.encode())

    def tell(self, text: str, kind: str = "done") -> None:
        """Show a message on the next page; `kind` is `done`, `note` or `error`."""
        with self._lock:
            self.messages.append((kind, text))
            del self.messages[:-20]

    def take_messages(self) -> list[tuple[str, str]]:
        """Return the messages and forget them."""
        with self._lock:
            found, self.messages = self.messages, []
        return found
