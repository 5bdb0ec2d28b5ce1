"""A queue whose server is restarted: what waited is run afterwards."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.patience import until
from tests.services import databases
from tests.services.cluster import Cluster, cluster, skip_unless_installed
from tests.services.databases import CarriedPostgres

pytestmark = pytest.mark.slow


@pytest.fixture
def own_server() -> Iterator[CarriedPostgres]:
    skip_unless_installed()
    with databases.carried_postgres(databases.MEMORY) as server:
        yield server


def waiting(shared: Cluster) -> int:
    ((count,),) = shared.ask("SELECT count(*) FROM clearance_queue.procrastinate_jobs WHERE status = 'todo'")
    return int(count)


def test_a_job_that_waits_while_the_server_is_restarted_is_run_afterwards(
    own_server: CarriedPostgres, tmp_path: Path
) -> None:
    with (
        databases.fresh_database(own_server.url) as url,
        cluster(tmp_path, url.render_as_string(hide_password=False)) as shared,
    ):
        # A slow machine must not take the worker for dead: a job is put back once, and these slots come once a day.
        settings = shared.file.read_text(encoding="utf-8").replace('dead_after = "3 s"', 'dead_after = "1 min"')
        shared.file.write_text(settings, encoding="utf-8")
        schedule = shared.schedule()
        # The roster, and the sources.
        until(lambda: waiting(shared) == 1 + len(shared.sources))
        assert schedule.end() == 0
        shared.offices.hold(*shared.sources)
        worker = shared.worker("--concurrency", "1")
        shared.offices.wait_for(lambda asked: len(asked) == 1)
        assert waiting(shared) >= len(shared.sources) - 1
        own_server.kill()
        own_server.start_again()
        shared.offices.let_go(*shared.sources)
        for source in shared.sources:
            until(lambda source=source: "applied" in shared.runs(source))  # type: ignore[misc]  # as it is now
        assert worker.end() == 0
