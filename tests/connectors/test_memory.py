"""Rows that stand in the settings file."""

from collections.abc import Mapping, Sequence

import pytest

from connectors import memory
from connectors.port import Connector, Progress, Question, Sample, Snapshot, SourceUnavailable, no_progress
from tests.contract import COLUMNS, ConnectorContract, Ticking


class _Nobody:
    """What a source in memory cannot be: out of reach."""

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        raise SourceUnavailable("nobody answers", "Try again.")

    def pull_one(self, student: str) -> Snapshot:
        return self.pull()

    def check(self) -> Sample:
        raise SourceUnavailable("nobody answers", "Try again.")


class MemoryOffice:
    secret = ""

    def __init__(self) -> None:
        self.rows: list[dict[str, str | None]] = []

    def fill(self, rows: Sequence[Mapping[str, str | None]]) -> None:
        self.rows[:] = [dict(row) for row in rows]

    def connector(self, columns: Mapping[str, str] = COLUMNS) -> Connector:
        office = self

        class Current(_Nobody):
            def pull(self, progress: Progress = no_progress) -> Snapshot:
                return office.asked(columns).pull(progress)

            def pull_one(self, student: str) -> Snapshot:
                return office.asked(columns).pull_one(student)

            def check(self) -> Sample:
                return office.sampled()

        return Current()

    def asked(self, columns: Mapping[str, str]) -> memory.Memory:
        return memory.connect(memory.Settings(rows=tuple(self.rows)), Question("loans", columns, Ticking()))

    def sampled(self) -> Sample:
        sample = self.asked(COLUMNS).check()
        return sample if sample.columns else Sample(sample.where, tuple(COLUMNS.values()), None)

    def out_of_reach(self) -> Connector:
        return _Nobody()


class TestMemory(ConnectorContract):
    @pytest.fixture
    def office(self) -> MemoryOffice:
        return MemoryOffice()


def test_a_population_is_told_as_given() -> None:
    own = memory.Settings(population=("20151001", "20151002"))
    question = Question("keys", {"student": "NUMBER"}, Ticking())
    assert memory.connect(own, question).pull().population == ("20151001", "20151002")
    assert memory.connect(own, question).pull_one("20151002").population == ["20151002"]
