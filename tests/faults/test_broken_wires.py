"""Promise 1 on the wire: however the connection to a real server breaks, a pull is whole or it changes nothing."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import make_url

from status_db.model import RunState
from tests.faults.offices import Office, database, http, oracle
from tests.faults.seeds import case, seeds
from tests.faults.trial import Trial
from tests.services.fault_proxy import Action, Direction, Fault

# A connection that has died takes its open cursor with it; the drivers of PostgreSQL and Oracle remark on that.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

CASES = 40


@pytest.fixture(params=["rest", "mariadb", "postgresql", "oracle"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    with ExitStack() as stack:
        match request.param:
            case "rest":
                yield stack.enter_context(http())
            case "oracle":
                yield stack.enter_context(oracle(tmp_path))
            case "mariadb":
                yield stack.enter_context(database(make_url(request.getfixturevalue("mariadb_url"))))
            case _:
                yield stack.enter_context(database(make_url(request.getfixturevalue("postgres_url"))))


def drawn(chance: Random, seed: int, size: dict[Direction, int], stalls: int) -> Fault:
    """Draw a fault that falls somewhere within what a whole pull carries."""
    direction: Direction = chance.choices(("answer", "question"), (4, 1))[0]
    after = chance.randint(0, size[direction] * 97 // 100)
    times = chance.choice((None, None, 1))
    stalls = min(stalls, CASES)
    if seed % stalls == stalls - 1:
        return Fault("stall", direction, after)
    # A rare kind has a place of its own, so that a small number of cases has each.
    rare: dict[int, Action] = {CASES - 2: "refuse", CASES - 3: "drip"}
    often: tuple[Action, ...] = ("cut", "reset", "refuse", "drip")
    match rare.get(seed % CASES) or chance.choices(often, (60, 30, 4, 6))[0]:
        case "drip":
            return Fault("drip", "answer", after, piece=512, pause=0.0005, times=times)
        case action:
            return Fault(action, direction, after, times=times)


def test_a_pull_over_a_wire_that_breaks_anywhere_is_whole_or_changes_nothing(office: Office, tmp_path: Path) -> None:
    trial = Trial(tmp_path, office.ask, office.fill)
    office.proxy.inject(None)
    office.ask(trial.question).pull()
    size = dict(office.proxy.carried)
    assert size["answer"] > 9_000
    kinds: set[str] = set()
    for seed in seeds(CASES):
        with case(seed) as chance:
            fault = drawn(chance, seed, size, office.stalls)
            tries = {"retries": chance.choice((0, 1))} if not office.one_connection else {}
            trial.through(office.ask(trial.question, **(office.hasty if fault.action == "stall" else {}), **tries))
            office.proxy.inject(fault)
            outcome = trial.ask()
            assert office.proxy.fired, fault
            if fault.action == "drip":
                assert outcome.state is RunState.APPLIED, "slow is not broken"
            elif office.one_connection and fault.times is None and fault.after < size[fault.direction] * 8 // 10:
                assert outcome.state is RunState.FAILED, fault
            kinds.add(fault.action)
    if len(seeds(CASES)) > 1:
        assert kinds == {"cut", "reset", "refuse", "drip", "stall"}
        assert trial.ended[RunState.FAILED] > CASES / 2
        assert trial.ended[RunState.APPLIED]
