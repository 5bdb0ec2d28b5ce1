"""Quiet runs, without pauses: thousands of them would bury what a failure has to say, and take an hour."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from connectors import rest
from connectors.databases import base as databases
from connectors.databases import read_transaction
from connectors.http import client


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetch few rows at a time, so that a small answer takes as many turns as a large one, and never pause."""
    monkeypatch.setattr(read_transaction, "BATCH", 20)
    monkeypatch.setattr(databases, "BATCH", 20)

    class Patient(client.OfficeClient):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self._pause = lambda _seconds: None

    monkeypatch.setattr(rest, "OfficeClient", Patient)
