"""A moment without a zone is one of the clocks that are named."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from foundation.zones import in_zone

SHANGHAI = ZoneInfo("Asia/Shanghai")


def test_only_a_moment_without_a_zone_gets_one() -> None:
    written = datetime(2019, 6, 5, 8, 0)  # noqa: DTZ001 - as it is typed
    assert in_zone(written, SHANGHAI) == datetime(2019, 6, 5, 0, 0, tzinfo=UTC)
    known = datetime(2019, 6, 5, 8, 0, tzinfo=UTC)
    assert in_zone(known, SHANGHAI) is known
