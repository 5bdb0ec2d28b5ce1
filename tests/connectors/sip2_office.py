"""A library asked over SIP2, and what its answers say about each student."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from config.tables.secrets import Origin
from connectors import sip2
from connectors.http.worker_pool import Timer
from connectors.port import (
    Candidates,
    Question,
    Snapshot,
)
from tests.connectors.http.test_worker_pool import Time
from tests.contract import Ticking
from tests.services.sip_library import Reader, SipLibrary

SECRET, PLACE = "hidden-word", "hidden-place"

#: Three students; the first has a card besides, and the library knows her by her number.
ROSTER = Candidates({"20151001": ("20151001", "CARD-1"), "20152003": ("20152003",), "20152004": ("20152004",)}, 5)

DUE = "20190530    235900"
LENT = [("B1", "构造地质学", DUE), ("B2", "普通地质学", "")]


def ask(library: SipLibrary | int, roster: Candidates = ROSTER, time: Time | None = None, **own: Any) -> sip2.Sip2:
    """Return a connector for this library; `time` passes at once."""
    port = library if isinstance(library, int) else library.port
    columns = own.pop("columns", None)
    keys = {
        "host": "127.0.0.1",
        "port": port,
        "asks": "loans",
        "per_student": {"rounds": 1, "per_second": 1000},
        "timeout": timedelta(seconds=20),
        **own,
    }
    origin = Origin(Path(), {"SECRET": SECRET, "PLACE": PLACE})
    settings = sip2.Settings.model_validate(keys, context=origin)
    columns = columns or sip2.Settings.default_columns(keys)
    timer = Timer(time.now, time.wait) if time else None
    return sip2.Sip2(settings, Question("loans", columns, Ticking(), lambda: roster), timer)


def people(snapshot: Snapshot) -> tuple[set[str], set[str], set[str]]:
    """Return who is held by rows, who is known, and who is in doubt."""
    return (
        {str(row[0]) for row in snapshot.rows},
        set(map(str, snapshot.population or ())),
        set(map(str, snapshot.unsettled)),
    )


@pytest.fixture
def library() -> Iterator[SipLibrary]:
    """Of three students the first has two books and owes a fine, the second owes nothing, the third has no card."""
    with SipLibrary(Reader("20151001", list(LENT), ["超期 B7"], "12.50", "CNY"), Reader("20152003")) as served:
        yield served
