"""Run the functions or the command of one release, in one process.

Run this file by path, with the package of the release on PYTHONPATH: `release_runner.py RELEASE functions SECONDS` with the
clock that many seconds ahead, or `release_runner.py RELEASE commands` with lists of arguments as JSON on standard input. It
uses nothing but the functions' handlers, the command and the functions' clock, which every release has.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import boto3

CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)
HIDDEN = 1_800  # seconds: the message of a killed run does not come back
MOST = 100  # ticks of the checker, and batches between two of them
INTERRUPTED = re.compile(r'"certificate": ?"kill-')


def load(release: Path, function: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{function}_app", release / "functions" / function / "app.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def forked(work: Callable[[], None]) -> int:
    """Run the work in a child process; return its exit code, negative after a signal."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        finally:
            sys.stdout.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Functions:
    """The checker and the issuer of a release; runs of certificates that are to be killed get their own processes."""

    def __init__(self, release: Path) -> None:
        self._release = release
        self._checker, self._issuer = load(release, "checker"), load(release, "issuer")
        self._sqs, self._queue = boto3.client("sqs"), os.environ["QUEUE_URL"]

    def work(self) -> None:
        for _ in range(MOST):
            tick = self._checker.handler({}, CONTEXT)
            if not self._drain() and not tick["sent"]:
                return
        sys.exit(f"endless messages: more than {MOST} ticks")

    def _drain(self) -> int:
        for batch in range(MOST):
            found = self._sqs.receive_message(
                QueueUrl=self._queue, VisibilityTimeout=HIDDEN, MaxNumberOfMessages=10
            ).get("Messages", [])
            if not found:
                return batch
            done = [message for message in found if self._is_done(message)]
            if done:
                entries = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(done)]
                self._sqs.delete_message_batch(QueueUrl=self._queue, Entries=entries)
        sys.exit(f"endless messages: more than {MOST} batches")

    def _is_done(self, message: dict[str, Any]) -> bool:
        event = {"Records": [{"messageId": "1", "body": message["Body"]}]}
        if not INTERRUPTED.search(message["Body"]):
            return not self._issuer.handler(event, CONTEXT)["batchItemFailures"]
        # A module of its own, because a child must not use the connections of its parent.
        code = forked(lambda: load(self._release, "issuer").handler(event, CONTEXT))
        assert code in (0, -signal.SIGKILL), code
        return code == 0


def run_functions(release: Path, ahead: timedelta) -> None:
    from evercert.aws import lambda_clock

    real = lambda_clock.now
    lambda_clock.now = lambda: real() + ahead  # before any module of the release imports it
    Functions(release).work()


def run_commands() -> None:
    """Print a line of JSON, exit code and standard output, for each list of arguments."""
    from evercert.cli import app, main

    assert app
    for arguments in json.load(sys.stdin):
        with tempfile.TemporaryFile("w+") as output:

            def run(arguments: list[str] = arguments, output: Any = output) -> None:
                os.dup2(output.fileno(), 1)
                sys.argv = ["evercert", *arguments]
                main()

            code = forked(run)
            output.seek(0)
            print(json.dumps([code, output.read()]), flush=True)


if __name__ == "__main__":
    if sys.argv[2] == "functions":
        run_functions(Path(sys.argv[1]), timedelta(seconds=int(sys.argv[3])))
    else:
        run_commands()
