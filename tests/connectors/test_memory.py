"""Rows that stand in the settings file."""

import tomllib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pytest

from connectors import memory
from connectors.port import Question
from tests.contract import COLUMNS, ConnectorContract, Ticking


class MemoryOffice:
    """The settings file itself: what it holds is what the connector is made with."""

    secret = ""

    def __init__(self) -> None:
        self.own: dict[str, Any] = {}

    def fill(self, rows: Sequence[Mapping[str, str | None]]) -> None:
        self.own = {"rows": [dict(row) for row in rows]}

    def fill_with_bytes(self, rows: Sequence[Mapping[str, str | None]]) -> None:
        """Hold these rows with their numbers as bytes, as no settings file can."""
        self.own = {"rows": [{**row, "NUMBER": str(row["NUMBER"]).encode()} for row in rows]}

    def fill_with_moment(self, row: Mapping[str, str | None], moment: datetime) -> None:
        """Hold one row with a moment for its title, as TOML has it."""
        self.own = {"rows": [{**row, "TITLE": tomllib.loads(f"moment = {moment.isoformat()}")["moment"]}]}

    def connector(self, columns: Mapping[str, str] = COLUMNS) -> memory.Memory:
        return memory.connect(memory.Settings.model_validate(self.own), Question("loans", columns, Ticking()))

    def out_of_reach(self) -> memory.Memory:
        raise NotImplementedError


class TestMemory(ConnectorContract, of="memory"):
    is_its_own_office = True

    @pytest.fixture
    def office(self) -> MemoryOffice:
        return MemoryOffice()


def test_a_population_is_reported_as_given() -> None:
    own = memory.Settings(population=("20151001", "20151002"))
    question = Question("keys", {"student": "NUMBER"}, Ticking())
    assert memory.connect(own, question).pull().population == ("20151001", "20151002")
    assert memory.connect(own, question).pull_one("20151002").population == ["20151002"]
