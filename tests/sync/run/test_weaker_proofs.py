"""A proof weaker than a total is accepted by name, and every run and the list of sources say so."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from clearance.settings_file import schema_of
from config.load import load
from connectors import rest
from connectors.port import Connector, Question
from status_db.model import ROSTER
from tests.services.http_office import HttpOffice
from tests.world import COHORT, SETTINGS, World

LOANS = SETTINGS.split("[source.loans]")[1].split("[source.fines]")[0]


@pytest.fixture
def office() -> Iterator[HttpOffice]:
    rows = [{"NUMBER": "20151001", "TITLE": "地质学", "BARCODE": "B1"}]
    with HttpOffice(rows, style="page", total="") as running:
        yield running


def test_every_run_and_the_sources_show_what_was_accepted(
    office: HttpOffice, sqlite_world: World, tmp_path: Path
) -> None:
    lines = f"""
step = "library"
connector = "rest"
url = "{office.url}"
records = "data.rows"
proofs = ["end_of_pages"]
paging = {{ kind = "page", size = "page_size", per_page = 10 }}
columns = {{ student = "NUMBER", title = "TITLE", reference = "BARCODE" }}
means = "items"
first = "apply"
every = "15 min"

"""
    file = tmp_path / "weaker.toml"
    file.write_text(SETTINGS.replace(LOANS, lines), encoding="utf-8")
    settings = load(file, schema_of, {"STATUS_URL": sqlite_world.url})
    source = settings.source["loans"]
    real = rest.connect(source.own, Question("loans", source.columns, sqlite_world.clock))
    plain = sqlite_world.connect

    def connect(name: str) -> Connector:
        return real if name == "loans" else plain(name)

    sqlite_world.sync._settings = sqlite_world.reader._settings = settings
    sqlite_world.sync._connect = connect
    sqlite_world.run(ROSTER)
    sqlite_world.run("loans")
    run = sqlite_world.reader.runs(COHORT, "loans", 1)[0]
    assert ["accepted", "end_of_pages, in place of a total"] in [list(proof) for proof in run.proofs]
    shown = {view.source: view.weaker_proofs for view in sqlite_world.reader.sources(COHORT)}
    assert shown["loans"] == ("end_of_pages",)
    assert shown["fines"] == ()
