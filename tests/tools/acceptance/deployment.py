"""A stack with a name of its own, and the bucket for its packages; all resources have the tag of the run."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from tests.tools.local_stack import ENVIRONMENT, ROOT, NotRunning
from tests.tools.openssl import CheckFailed, require
from tests.tools.operator_session import say

TAG = "evercert:acceptance"
FOLDER = ROOT / ".local" / "acceptance"
BUILD_SECONDS, DEPLOY_SECONDS = 900, 1_200


def new_name() -> str:
    return f"evercert-acceptance-{secrets.token_hex(4)}"


@dataclass
class State:
    """Resources of a run, stored as they are created, so that an interrupted run can be removed later."""

    name: str
    account: str
    region: str
    stack: str = ""
    commands: list[str] = field(default_factory=list)  # of the plan of removal

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.name}.json"

    def save(self) -> None:
        FOLDER.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, name: str) -> State:
        path = FOLDER / f"{name}.json"
        if not path.exists():
            raise NotRunning(f"unknown run {name}: {path} is missing; name a run that this folder has started")
        return cls(**json.loads(path.read_text()))


class Deployment:
    """The stack of one run. `find` refuses every stack that the run did not make."""

    def __init__(
        self, state: State, client: Callable[[str], Any], environment: Mapping[str, str], template: Path | None = None
    ) -> None:
        self.state, self.client, self.environment = state, client, environment
        self.template = template
        self.parameters = {"Authority": "yes", "Timing": "quick"}

    @property
    def name(self) -> str:
        return self.state.name

    @property
    def bucket(self) -> str:
        return f"{self.name}-{self.state.account}"

    def deploy(self) -> dict[str, str]:
        """Build and deploy; return the outputs of the stack."""
        if self.find() is not None:
            raise CheckFailed(f"cannot deploy {self.name}: the stack exists already; start a new run")
        self.state.save()
        template = self.template or self._build()
        self._create_bucket()
        self._sam(
            DEPLOY_SECONDS,
            *("deploy", "--template-file", str(template), "--stack-name", self.name, "--region", self.state.region),
            *("--s3-bucket", self.bucket, "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset"),
            *("--tags", f"{TAG}={self.name}", "--parameter-overrides"),
            *(f"{name}={value}" for name, value in self.parameters.items()),
        )
        found = self.find()
        require(found is not None, f"sam deployed no stack {self.name}")
        assert found is not None
        say(f"deployed {found['StackId'].rpartition('/')[0]}")
        return {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}

    def find(self) -> dict[str, Any] | None:
        """Return the stack, or None; raise CheckFailed if a stack of that name is not the stack of this run."""
        try:
            found = self.client("cloudformation").describe_stacks(StackName=self.state.stack or self.name)["Stacks"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ValidationError":  # there is none
                return None
            raise
        stack: dict[str, Any] = found[0]
        tags = {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}
        known = self.state.stack or stack["StackId"]
        if tags.get(TAG) != self.name or stack["StackId"] != known or stack["StackName"] != self.name:
            raise CheckFailed(
                f"stack {self.name} was not made by this run: it lacks the tag {TAG}={self.name}, or its id"
            )
        self.state.stack = known
        self.state.save()
        return stack

    def _build(self) -> Path:
        folder = FOLDER / "build"
        self._sam(BUILD_SECONDS, "build", "--build-dir", str(folder))
        return folder / "template.yaml"

    def _create_bucket(self) -> None:
        """Create a bucket for the packages of the deployment; the bucket of SAM would remain."""
        s3, region = self.client("s3"), self.state.region
        more = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=self.bucket, **more)
        tags = [{"Key": TAG, "Value": self.name}]
        s3.put_bucket_tagging(Bucket=self.bucket, Tagging={"TagSet": tags}, ExpectedBucketOwner=self.state.account)

    def _sam(self, seconds: int, *arguments: str) -> None:
        say(f"$ sam {arguments[0]}")
        done = subprocess.run(
            [ENVIRONMENT / "bin" / "sam", *arguments, "--config-env", "acceptance"],  # nothing of samconfig.toml
            cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds,
            check=False,
        )  # fmt: skip
        require(done.returncode == 0, f"sam {arguments[0]} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
