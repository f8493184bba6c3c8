"""Parts of records and reports, and their counts."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

LAST_COUNT = 99_999_999  # the sort key of an outcome has 8 digits
Count = Annotated[int, Field(ge=0, le=LAST_COUNT)]


class Part(BaseModel):
    """A frozen part of a record; unknown attributes are errors, so that a newer schema is never read in part."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
