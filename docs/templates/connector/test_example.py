"""A file with one JSON object on each line."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from connectors import example
from connectors.port import Question, SourceGarbled
from tests.contract import COLUMNS, ROWS, ConnectorContract, Ticking


class ExampleOffice:
    """The office: a real file that a test can fill, and a place where none is."""

    #: The password or key that the connector is given. This office has none.
    secret = ""

    def __init__(self, file: Path) -> None:
        self.file = file

    def fill(self, rows: Sequence[Mapping[str, str | None]]) -> None:
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        self.file.write_text("\n".join([*lines, str(len(rows))]), encoding="utf-8")

    def connector(self, columns: Mapping[str, str] = COLUMNS) -> example.Example:
        return example.connect(example.Settings(path=self.file), Question("boxes", columns, Ticking()))

    def out_of_reach(self) -> example.Example:
        return ExampleOffice(self.file.with_name("gone.jsonl")).connector()


class TestExample(ConnectorContract, of="example"):
    @pytest.fixture
    def office(self, tmp_path: Path) -> ExampleOffice:
        return ExampleOffice(tmp_path / "owed.jsonl")

    @pytest.mark.parametrize("text", ["", "4", "no JSON", "{}\n2", "[]\n1", "{}\ntrue", '{"NUMBER": "20151001"}'])
    def test_a_file_that_is_not_as_agreed_brings_no_rows(self, office: ExampleOffice, text: str) -> None:
        office.file.write_text(text, encoding="utf-8")
        with pytest.raises(SourceGarbled, match="export it again"):
            office.connector().pull()

    def test_a_file_that_was_cut_off_brings_no_rows(self, office: ExampleOffice) -> None:
        office.fill(ROWS)
        whole = office.file.read_bytes()
        for end in range(len(whole)):
            office.file.write_bytes(whole[:end])
            with pytest.raises(SourceGarbled):
                office.connector().pull()
