"""Subscribers of a topic in memory: queues, functions, keys and subscriptions, as AWS describes them.

It also has what the emulator lacks: keys that AWS manages, unconfirmed mailboxes, and refused calls.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.doubles.strict_aws import ACCOUNT, REGION, refuse

TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:evercert-Topic-1"
QUEUE_URL = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/"


class Subscribers:
    """Clients of SNS, SQS, Lambda, KMS and CloudWatch; `denied` has the operations that are refused."""

    def __init__(self) -> None:
        self.topic = TOPIC
        self.subscriptions: list[dict[str, Any]] = []
        self.attributes: dict[str, dict[str, str]] = {}
        self.queues: dict[str, dict[str, str]] = {}
        self.functions: dict[str, str | None] = {}
        self.keys: dict[str, dict[str, Any]] = {}
        self.denied: set[str] = set()
        self.calls: list[str] = []

    # -- set up ------------------------------------------------------------------------------------------------------
    def queue(self, name: str, **attributes: str) -> str:
        self.queues[name] = attributes
        return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"

    def function(self, name: str, policy: str | None = None) -> str:
        self.functions[name] = policy
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"

    def allow(self, function: str) -> None:
        """Add the permission that SNS needs, as `aws lambda add-permission` does."""
        arn = self.function(function)
        principal, condition = '{"Service": "sns.amazonaws.com"}', f'{{"ArnLike": {{"AWS:SourceArn": "{self.topic}"}}}}'
        statement = f'"Effect": "Allow", "Principal": {principal}, "Action": "lambda:InvokeFunction"'
        self.functions[function] = f'{{"Statement": [{{{statement}, "Resource": "{arn}", "Condition": {condition}}}]}}'

    def subscribe(self, protocol: str, endpoint: str, *, confirmed: bool = True, **attributes: str) -> None:
        arn = f"{self.topic}:{len(self.subscriptions)}" if confirmed else "PendingConfirmation"
        self.subscriptions.append({"SubscriptionArn": arn, "Protocol": protocol, "Endpoint": endpoint})
        self.attributes[arn] = attributes

    def connection(self) -> Any:
        """Return the stack as `doctor` sees it."""
        outputs = {"Topic": self.topic, "Queue": f"{QUEUE_URL}evercert-Queue-1"}
        clients = SimpleNamespace(sns=self, sqs=self, kms=self, client=lambda _: self)
        return SimpleNamespace(name="evercert", clients=clients, outputs=outputs, output=outputs.__getitem__)

    # -- calls -------------------------------------------------------------------------------------------------------
    def get_paginator(self, operation: str) -> Any:
        def paginate(**_: str) -> list[dict[str, Any]]:
            self._permit("ListSubscriptionsByTopic")
            return [{"Subscriptions": self.subscriptions[n : n + 100]} for n in range(0, len(self.subscriptions), 100)]

        assert operation == "list_subscriptions_by_topic"
        return SimpleNamespace(paginate=paginate)

    def get_subscription_attributes(self, *, SubscriptionArn: str) -> dict[str, Any]:
        self._permit("GetSubscriptionAttributes", "AuthorizationError")
        if SubscriptionArn not in self.attributes:
            raise refuse("NotFound", "GetSubscriptionAttributes", status=404)
        return {"Attributes": self.attributes[SubscriptionArn]}

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:
        self._permit("GetQueueAttributes", "AccessDenied")
        name = QueueUrl.removeprefix(QUEUE_URL)
        if name not in self.queues:
            raise refuse("AWS.SimpleQueueService.NonExistentQueue", "GetQueueAttributes")
        found = {"ApproximateNumberOfMessages": "0", **self.queues[name]}
        return {"Attributes": {name: found[name] for name in AttributeNames if name in found}}

    def get_policy(self, *, FunctionName: str, Qualifier: str = "") -> dict[str, str]:
        self._permit("GetPolicy")
        policy = self.functions.get(f"{FunctionName}:{Qualifier}".rstrip(":"))
        if policy is None:
            raise refuse("ResourceNotFoundException", "GetPolicy", status=404)
        return {"Policy": policy}

    def get_function_configuration(self, *, FunctionName: str, Qualifier: str = "") -> dict[str, str]:
        self._permit("GetFunctionConfiguration")
        if f"{FunctionName}:{Qualifier}".rstrip(":") not in self.functions:
            raise refuse("ResourceNotFoundException", "GetFunctionConfiguration", status=404)
        return {"FunctionName": FunctionName}

    def describe_key(self, *, KeyId: str) -> dict[str, Any]:
        self._permit("DescribeKey")
        if KeyId not in self.keys:
            raise refuse("NotFoundException", "DescribeKey")
        arn = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{KeyId}"
        return {"KeyMetadata": {"KeyId": KeyId, "Arn": arn, "KeyManager": self.keys[KeyId].get("manager", "CUSTOMER")}}

    def get_key_policy(self, *, KeyId: str, PolicyName: str) -> dict[str, str]:
        assert PolicyName == "default"
        self._permit("GetKeyPolicy")
        return {"Policy": self.keys[KeyId]["policy"]}

    def get_metric_statistics(self, **_: Any) -> dict[str, Any]:
        return {"Datapoints": []}

    def _permit(self, operation: str, code: str = "AccessDeniedException") -> None:
        self.calls.append(operation)
        if operation in self.denied:
            raise refuse(code, operation, status=403)
