"""A manager of one project, who calls the deployed authority over HTTPS."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.stack.conftest import Stack
from tests.tools.local_authority import LocalAuthority, serve_authority, set_up_profiles


@dataclass
class Manager:
    """A manager of one project, over HTTPS."""

    stack: Stack
    authority: LocalAuthority
    project: str
    token: str = ""

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(self.authority.address + path, data, headers, method=method)
        trust = ssl.create_default_context(cadata=self.authority.ca_bundle)
        try:
            with urllib.request.urlopen(asked, timeout=60, context=trust) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def made(self, method: str, path: str, body: Any = None) -> Any:
        status, answer = self.call(method, path, body)
        assert status == 200, (method, path, answer)
        return answer


@contextmanager
def managing(stack: Stack, project: str) -> Iterator[Manager]:
    """Create a project with a manager; serve the authority meanwhile."""

    def command(*arguments: str) -> str:
        done = stack.evercert(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    with serve_authority(stack.running, stack.outputs) as found:
        set_up_profiles(command)
        made = json.loads(command("authority", "project", "create", project, "--json"))
        permissions = [word for one in ("request", "read-key", "administer") for word in ("--permission", one)]
        create = ("authority", "identity", "create", f"{project}-manager", "--universal", "--profile", f"{project}/*")
        identity = json.loads(command(*create, *permissions, "--json"))
        manager = Manager(stack, found, made["id"])
        login = {"clientId": identity["client_id"], "clientSecret": identity["client_secret"]}
        manager.token = manager.made("POST", "/api/v1/auth/universal-auth/login", login)["accessToken"]
        yield manager
