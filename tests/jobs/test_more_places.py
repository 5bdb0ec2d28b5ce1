"""Workers of several institutions, and of a queue whose server is restarted."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from tests.jobs.sizes import CLUSTER
from tests.patience import until
from tests.services import databases
from tests.services.cluster import Cluster, cluster, skip_unless_installed
from tests.services.databases import CarriedPostgres
from tests.services.institutions import Installation

pytestmark = pytest.mark.slow


@pytest.fixture
def own_server() -> Iterator[CarriedPostgres]:
    skip_unless_installed()
    with databases.carried_postgres(databases.MEMORY) as server:
        yield server


def waiting(shared: Cluster) -> int:
    ((count,),) = shared.ask("SELECT count(*) FROM clearance_queue.procrastinate_jobs WHERE status = 'todo'")
    return int(count)


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


def test_a_job_that_waits_while_the_server_is_restarted_is_run_afterwards(
    own_server: CarriedPostgres, tmp_path: Path
) -> None:
    with (
        databases.fresh_database(own_server.url) as url,
        cluster(tmp_path, url.render_as_string(hide_password=False)) as shared,
    ):
        schedule = shared.schedule()
        # The roster, and the sources.
        until(lambda: waiting(shared) == 1 + len(shared.sources))
        assert schedule.end() == 0
        shared.offices.hold("s1", "s2", "s3", "s4")
        worker = shared.worker("--concurrency", "1")
        shared.offices.wait_for(lambda asked: len(asked) == 1)
        assert waiting(shared) >= len(shared.sources) - 1
        own_server.kill()
        own_server.start_again()
        shared.offices.let_go(*shared.sources)
        for source in shared.sources:
            until(lambda source=source: "applied" in shared.runs(source))  # type: ignore[misc]  # as it is now
        assert worker.end() == 0
