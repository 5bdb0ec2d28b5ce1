"""What is advised about letters that were lost can be done in the database that they were lost in."""

import pytest

from connectors.cells.letters import Letters
from connectors.databases.mysql import Mysql
from connectors.databases.oracle import Oracle
from connectors.databases.postgres import Postgres
from connectors.databases.sqlserver import SqlServer
from connectors.port import SourceGarbled, no_candidates
from tests.cast import LIN


@pytest.mark.parametrize(
    ("raw_text", "advice"),
    [
        (Mysql.raw_text, "Select CAST(xh AS BINARY) in its place"),
        (Postgres.raw_text, "Select convert_to(xh, 'WIN1252') in its place"),
        (SqlServer.raw_text, "Select CAST(xh AS VARBINARY(8000)) in its place"),
        (Oracle.raw_text, 'Write bytes_as = "utf-8"'),
    ],
)
def test_the_bytes_behind_a_number_are_asked_for_in_the_databases_own_words(raw_text: str, advice: str) -> None:
    letters = Letters("roster", {"student": "xh"}, "", raw_text)
    with pytest.raises(SourceGarbled, match="was read as Latin-1") as caught:
        letters.finish([("学号".encode().decode("latin-1"),), (LIN.number,)], no_candidates)
    assert advice in caught.value.fix_text
    assert 'bytes_as = "utf-8"' in caught.value.fix_text
    assert "[source.roster]" not in caught.value.fix_text
