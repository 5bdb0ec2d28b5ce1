"""Sessions that a provider opened, tickets that open once, and whom a roster has ever listed: on both databases."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from status_db.sign_in.used_tickets import Tickets
from tests.cast import LIN, QIAN, ZHOU
from tests.world import World


def test_a_ticket_is_used_once(world: World) -> None:
    tickets = Tickets(world.desk_engine)
    assert tickets.use(b"one", world.now)
    assert not tickets.use(b"one", world.now)
    assert tickets.use(b"two", world.now)


def test_of_two_at_once_one_ticket_opens_one(world: World) -> None:
    tickets = Tickets(world.desk_engine)
    with ThreadPoolExecutor(8) as threads:
        used = list(threads.map(lambda _: tickets.use(b"one", world.now), range(8)))
    assert used.count(True) == 1


def test_a_provider_ends_what_it_opened_and_nothing_else(world: World) -> None:
    long = timedelta(hours=12)
    for person in (LIN, QIAN):
        world.accounts.add(person.number, person.name, None, student=person.number, now=world.now)
    world.accounts.open_session(b"a", LIN.number, world.now, longest=long, method="cas", provider_session=b"st-1")
    world.accounts.open_session(b"b", QIAN.number, world.now, longest=long, method="cas", provider_session=b"st-2")
    world.accounts.open_session(b"c", LIN.number, world.now, longest=long)
    assert world.accounts.close_provider_session(b"st-3") == ()
    assert world.accounts.close_provider_session(b"st-1") == (LIN.number,)
    assert world.accounts.close_provider_session(b"st-1") == ()
    found = {key: world.accounts.find_session(key, world.now, idle=long, longest=long) for key in (b"a", b"b", b"c")}
    assert found[b"a"] is None
    assert found[b"b"] is not None
    assert found[b"c"] is not None
    assert (found[b"b"].method, found[b"c"].method) == ("cas", "local")


def test_whom_a_roster_has_ever_listed_has_a_name(world: World) -> None:
    world.run("roster")
    assert world.reader.listed_name(LIN.number) == LIN.name
    assert world.reader.listed_name(ZHOU.number) == ZHOU.name
    assert world.reader.listed_name("20990001") is None
