"""Write units of one renewal and of one status check, counted by the items before and after each write."""

from __future__ import annotations

from tests.bench.renewals import Renewal, renewal_and_check
from tests.doubles.world import World

# From the tick on: moved due time, claim, key with chain, slot of ACM, conclusion of three items, published mark. The item of the
# kept revisions has 1.5 KB, and AWS's ciphertext of a key is about 70 bytes longer than the emulator's.
RENEWAL = [
    ("record", 2, 2), ("record", 2, 2), ("record", 3, 0), ("pace", 1, 0), ("record", 6, 4), ("outcome", 2, 2),
    ("revisions", 4, 0), ("outcome", 1, 1),
]  # fmt: skip
CHECK = [("record", 2, 2)] * 3


def written(listened: Renewal) -> list[tuple[str, int, int]]:
    return [(write.key["sk"]["S"].partition("#")[0], write.units, write.entries) for write in listened.writes]


def test_renewal_and_check_write_as_little_as_known(world: World) -> None:
    renewal, check = renewal_and_check(world)
    assert written(renewal) == RENEWAL
    assert renewal.write_units == 32
    assert written(check) == CHECK
