"""Count the AWS calls of this process: append `service Operation` to the file that ACCEPTANCE_CALLS names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from botocore.client import BaseClient

_known = BaseClient._make_api_call


def _counted(client: BaseClient, operation: str, arguments: Any) -> Any:
    with Path(os.environ["ACCEPTANCE_CALLS"]).open("a") as calls:
        calls.write(f"{client.meta.service_model.service_name} {operation}\n")
    return _known(client, operation, arguments)


BaseClient._make_api_call = _counted
