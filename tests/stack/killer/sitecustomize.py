"""Kill a function's process at a chosen call, as a machine crash would.

The interpreter of every function on the test stack loads it (PYTHONPATH); the layers do not contain it. For a certificate
named `kill-before-3-…`, the process dies before it sends the third request after the claim; for `kill-after-3-…`, when
the response has arrived. This happens once per certificate: a file in EVERCERT_KILLS records it.

It also records private keys: the issuer seals every key before any other use, so each key sent to be sealed is
written to EVERCERT_KEYS. Every AWS call of a function or of the command is recorded in EVERCERT_CALLS (tests/iam).
"""

import http.client
import importlib.abc
import importlib.util
import json
import os
import re
import signal
import sys
from pathlib import Path

_PLAN = re.compile(rb"certificate#(kill-(before|after)-(\d+)-[a-z0-9]+)")
_kills, _keys = os.environ.get("EVERCERT_KILLS"), os.environ.get("EVERCERT_KEYS")


class _Process:
    """State of this process: the certificate it has claimed, and the number of requests since."""

    name = when = ""
    at = count = 0

    def sent(self, data: bytes) -> None:
        found = _PLAN.search(data)
        if found and b"attribute_exists(#pk)" in data and b":schema" in data:  # the claim is call number 1
            self.name, self.when, self.at, self.count = found[1].decode(), found[2].decode(), int(found[3]), 0
        if self.name:
            self.count += 1
            self.strike("before")

    def strike(self, when: str) -> None:
        if self.when != when or self.count != self.at:
            return
        try:
            (Path(_kills) / self.name).touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)


def note(data: bytes) -> None:
    if _keys and b'"Plaintext"' in data:
        with (Path(_keys) / str(os.getpid())).open("a") as file:
            file.write(json.loads(data)["Plaintext"] + "\n")


if _kills and "SEAL_KEY" in os.environ:
    _process = _Process()
    _send, _getresponse = http.client.HTTPConnection.send, http.client.HTTPConnection.getresponse

    def send(self, data):
        if isinstance(data, bytes) and not data.startswith((b"POST ", b"GET ")):
            _process.sent(data)
            note(data)
        return _send(self, data)

    def getresponse(self):
        answer = _getresponse(self)
        _process.strike("after")
        return answer

    http.client.HTTPConnection.send = send
    http.client.HTTPConnection.getresponse = getresponse


class _Recording(importlib.abc.MetaPathFinder):
    """Installs the recorder as soon as the process imports botocore, which is not on the path yet."""

    def find_spec(self, name, path=None, target=None):
        if name != "botocore.handlers":
            return None
        sys.meta_path.remove(self)
        found = importlib.util.find_spec(name)
        execute = found.loader.exec_module

        def exec_module(module):
            execute(module)
            spec = importlib.util.spec_from_file_location("evercert_recorder", RECORDER)
            recorder = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(recorder)
            recorder.install(_calls)

        found.loader.exec_module = exec_module
        return found


RECORDER = Path(__file__).resolve().parents[2] / "iam" / "recorder.py"
_calls = os.environ.get("EVERCERT_CALLS")
if _calls and {"POWERTOOLS_SERVICE_NAME", "EVERCERT_RECORDED_AS"} & set(os.environ):
    sys.meta_path.insert(0, _Recording())
