"""Workers of several institutions."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from tests.jobs.sizes import CLUSTER
from tests.patience import until
from tests.services.cluster import skip_unless_installed
from tests.services.institutions import Installation

pytestmark = pytest.mark.slow


def test_a_worker_serves_each_institution_of_a_folder_that_uses_the_queue(postgres_url: str, tmp_path: Path) -> None:
    skip_unless_installed()
    several = Installation(tmp_path / "institutions", postgres_url)
    for key in ("pku", "thu", "alone"):
        several.write(key)
        if key != "alone":
            with several.file(key).open("a", encoding="utf-8") as file:
                file.write(CLUSTER)
        several.run("", "institutions", "add", key)
        several.run(key, "db", "upgrade")
        several.run(key, "sync", "roster")
    engine = create_engine(postgres_url, poolclass=NullPool)

    def runs_of(key: str) -> list[str]:
        with engine.connect() as connection:
            query = text(f"SELECT state FROM {key}.run WHERE source = 'loans' ORDER BY run")
            return list(connection.execute(query).scalars())

    with several.running("schedule") as schedule:
        # It does the work of the one without the queue itself, and hands out that of the others.
        until(lambda: runs_of("alone") == ["applied"])
        until(lambda: len(schedule.events("schedule started")) >= 3)
        assert (runs_of("pku"), runs_of("thu")) == ([], [])
        with several.running("worker") as worker:
            until(lambda: runs_of("pku") == runs_of("thu") == ["applied"])
            assert {line["institution"] for line in worker.events("run ended")} <= {"pku", "thu"}
    assert runs_of("alone") == ["applied"]
