"""Whatever a run with faults promises, it also checks: what is stored is broken on purpose, and the check names it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine, text
from sqlalchemy.pool import NullPool

from tests.jobs.chaos import Chaos
from tests.jobs.sizes import Sizes
from tests.patience import until
from tests.services import databases
from tests.services.cluster import skip_unless_installed
from tests.services.institutions import Installation

pytestmark = pytest.mark.slow

KEY = "u1"

CALM = Sizes(institutions=1, sources=1, schedules=1, workers=1, portals=0, desks=1)

#: The run of the source in its slot.
IN_SLOT = f"(SELECT max(run) FROM {KEY}.run WHERE source = 's1' AND slot IS NOT NULL AND state = 'applied')"


class Ended:
    """An installation whose processes have ended without a fault. A test breaks its own copy."""

    def __init__(self, chaos: Chaos, installation: Installation) -> None:
        self.chaos = chaos
        self.installation = installation

    def use(self, url: URL) -> None:
        """Have it use another database."""
        self.installation.url = url.render_as_string(hide_password=False)
        (self.installation.folder / KEY / "status-url").write_text(self.installation.url)

    def tell(self, *statements: str) -> None:
        """Carry out statements, as somebody who may write to the database."""
        engine = create_engine(self.installation.url, poolclass=NullPool)
        with engine.begin() as connection:
            for statement in statements:
                assert connection.execute(text(statement)).rowcount, statement

    def allow_two_runs_of_a_slot(self) -> None:
        """Have the database refuse no second run of a slot."""
        engine = create_engine(self.installation.url, poolclass=NullPool)
        with engine.begin() as connection:
            name = connection.execute(
                text("SELECT conname FROM pg_constraint WHERE conrelid = 'u1.run'::regclass AND contype = 'u'")
            ).scalar_one()
            connection.execute(text(f'ALTER TABLE {KEY}.run DROP CONSTRAINT "{name}"'))

    def names(self, words: str) -> bool:
        """Return whether the checks find this."""
        return any(words in fault for fault in self.chaos.faults())


@pytest.fixture(scope="module")
def calm(postgres_server: URL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ended, str]]:
    skip_unless_installed()
    folder: Path = tmp_path_factory.mktemp("calm") / "institutions"
    with databases.fresh_database(postgres_server) as url:
        installation = Installation(folder, url.render_as_string(hide_password=False))
        chaos = Chaos(installation, CALM)
        chaos.build()
        chaos.fill_office(KEY, 1, ["构造地质学"])
        with chaos.processes():
            # The roster's run, and the source's.
            until(lambda: chaos.promises.states(KEY)["applied"] >= 2)
            for do in (chaos.decide_on_a_page, chaos.decide, chaos.recheck):
                do()
            until(lambda: not chaos.promises.waiting(KEY))
        yield Ended(chaos, installation), databases.keep(url)


@pytest.fixture
def ended(calm: tuple[Ended, str], postgres_server: URL) -> Iterator[Ended]:
    made, like = calm
    with databases.fresh_database(postgres_server, like) as url:
        made.use(url)
        yield made


def test_without_a_fault_it_finds_nothing_and_there_was_something_to_lose(ended: Ended) -> None:
    assert ended.chaos.faults() == []
    assert [note[0] for note in ended.chaos.journal.decided[KEY]] == ["p", "n"], "on a page, and by the command"
    assert ended.chaos.journal.rechecks[KEY]


def test_it_sees_a_decision_that_was_acknowledged_and_is_not_stored(ended: Ended) -> None:
    for note in ended.chaos.journal.decided[KEY]:
        ended.tell(f"DELETE FROM {KEY}.decision WHERE note = '{note}'")
        assert ended.names(f"lost the decision {note}")


def test_it_sees_a_recheck_that_is_not_stored(ended: Ended) -> None:
    (number,) = ended.chaos.journal.rechecks[KEY]
    ended.tell(f"DELETE FROM {KEY}.request WHERE request = {number}")
    assert ended.names(f"lost the recheck {number}")


def test_it_sees_a_recheck_that_is_marked_as_done_without_being_run(ended: Ended) -> None:
    (number,) = ended.chaos.journal.rechecks[KEY]
    ended.tell(f"DELETE FROM {KEY}.run WHERE student IS NOT NULL")
    assert ended.names(f"the recheck {number} is marked as done, and no run did it")


def test_it_sees_a_slot_that_two_workers_have_run(ended: Ended) -> None:
    ended.allow_two_runs_of_a_slot()
    ended.tell(
        f"INSERT INTO {KEY}.run (cohort, source, slot, state, began, ended, by) "
        f"SELECT cohort, source, slot, state, began, ended, by FROM {KEY}.run WHERE run = {IN_SLOT}"
    )
    assert ended.names("s1 ran 2 times in the slot")


def test_it_sees_a_run_that_was_applied_beside_the_run_of_its_slot(ended: Ended) -> None:
    ended.tell(f"UPDATE {KEY}.run SET slot = NULL WHERE run = {IN_SLOT}")
    assert ended.names("was applied beside the run of its slot")


def test_it_sees_a_run_that_has_written_after_it_lost_its_lease(ended: Ended) -> None:
    ended.tell(f"UPDATE {KEY}.run SET state = 'abandoned' WHERE run = {IN_SLOT}")
    assert ended.names("of s1 is abandoned, and has written")


def test_it_sees_a_run_that_never_ends(ended: Ended) -> None:
    ended.tell(f"UPDATE {KEY}.run SET state = 'running', ended = NULL WHERE run = {IN_SLOT}")
    assert ended.names("is under way for ever")


def test_it_sees_a_row_that_another_program_has_altered(ended: Ended) -> None:
    ended.tell(f"UPDATE {KEY}.record SET digest = decode('00', 'hex') WHERE source = 's1'")
    assert ended.names("verify: ")


def test_it_sees_marks_that_are_not_what_the_office_has(ended: Ended) -> None:
    ended.tell(f"UPDATE {KEY}.record SET obligations = NULL WHERE source = 's1'")
    assert ended.names("s1 has [")


def test_it_sees_a_finding_that_does_not_follow_from_the_marks(ended: Ended) -> None:
    ended.tell(f"UPDATE {KEY}.status SET verdict = 'unknown' WHERE step = 'library'")
    assert ended.names("the finding is [('unknown',)]")


def test_it_sees_a_slot_that_is_left_out(ended: Ended) -> None:
    since = datetime.now(UTC) + timedelta(hours=1)
    for minute in (1, 2, 4):
        ended.tell(
            f"INSERT INTO {KEY}.run (cohort, source, slot, state, began, ended, by) SELECT cohort, source, "
            f"'{since + timedelta(minutes=minute)}', 'unchanged', began, ended, by FROM {KEY}.run WHERE run = {IN_SLOT}"
        )
    found = [fault for fault in ended.chaos.promises.broken(KEY, since) if "left out" in fault]
    assert len(found) == 1
    assert f"{since + timedelta(minutes=2)}" in found[0]


def test_it_sees_a_process_that_broke(ended: Ended) -> None:
    ended.chaos.journal.ended.append("worker: Traceback (most recent call last)")
    try:
        assert ended.names("a process broke: worker")
    finally:
        ended.chaos.journal.ended.pop()
