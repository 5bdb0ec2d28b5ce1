"""What a library may answer over SIP2 that clears no one, on a real socket."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from connectors.port import (
    Candidates,
    SourceGarbled,
    SourceUnavailable,
)
from tests.connectors import sip2_office
from tests.connectors.http.test_worker_pool import Time
from tests.connectors.sip2_office import ask, people
from tests.services.sip_library import SILENCE, Asked, Reader, Reply, SipLibrary, total

#: Of three students the first has two books and owes a fine, the second owes nothing, the third has no card.
library = sip2_office.library


def changed(old: str, new: str) -> Callable[[Asked, str], str]:
    """Return what changes the answers about the student who owes nothing."""
    return lambda asked, text: text.replace(old, new) if asked.fields.get("AA") == "20152003" else text


#: The counts in the answer about who owes nothing, and the time before them.
COUNTS = "090000" + "0" * 24

#: What is wrong with an answer, and what a run says of it.
DOUBTS = {
    "not said to be valid": (changed("BLY|", ""), "without the field that they are valid"),
    "another number": (changed("AA20152003|", "AA20152004|"), "another number"),
    "no number": (changed("AA20152003|", ""), "another number"),
    "another institution": (changed("AOMAIN|", "AOBRANCH|"), "another institution"),
    "no institution": (changed("AOMAIN|", ""), "another institution"),
    "a count without its list": (changed(COUNTS, "090000" + "000000000001000000000000"), "do not match their count"),
    "a list without its count": (changed("BLY|", "BLY|AUB9|"), "do not match their count"),
    "more overdue than lent": (changed(COUNTS, "090000" + "000000010000000000000000"), "more loans overdue"),
    "no count": (changed(COUNTS, "090000" + "00000000    000000000000"), "no count of loans"),
    "not valid, and with a loan": (
        lambda asked, text: changed("BLY|", "BLN|AUB9|")(
            asked, changed(COUNTS, f"090000{'0' * 11}1{'0' * 12}")(asked, text)
        ),
        "not valid",
    ),
    "not valid, and with a fine": (changed("BLY|", "BLN|BV3.00|"), "not valid"),
}


class TestDoubt:
    @pytest.mark.parametrize("tamper", [doubt for doubt, _ in DOUBTS.values()], ids=DOUBTS.keys())
    def test_releases_no_one(self, library: SipLibrary, tamper: Callable[[Asked, str], str]) -> None:
        library.tamper = tamper
        snapshot = ask(library).pull()
        held, _, doubtful = people(snapshot)
        assert doubtful == {"20152003"}
        assert "20151001" in held
        says = next(says for each, says in DOUBTS.values() if each is tamper)
        assert [warning for warning in snapshot.warnings if says in warning and warning.startswith("1 of 4 numbers")]
        assert people(ask(library).pull_one("20152003"))[2] == {"20152003"}

    @pytest.mark.parametrize(
        "befalls",
        [
            Reply(hang_up=True),
            SILENCE,
            Reply(raw=b"64      \r"),
            Reply("64" + "x" * 59 + "AOMAIN|AA20152003|BLY|"),
            Reply(f"64{' ' * 14}00020190525    090000{'0x00' * 6}AOMAIN|AA20152003|BLY|"),
            Reply(f"64{' ' * 14}00020190525    090000{'0000' * 6}AOMAIN|AA20152003|BLY|", sequence="7"),
            Reply(f"64{' ' * 14}00020190525    090000{'0000' * 6}AOMAIN|AA20152003|AA20152009|BLY|"),
            Reply(f"64X{' ' * 13}00020190525    090000{'0000' * 6}AOMAIN|AA20152003|BLY|"),
            Reply("941"),
        ],
        ids=[
            "hangs up",
            "silent",
            "cut",
            "unreadable",
            "no count",
            "another sequence",
            "two numbers",
            "no status",
            "another kind",
        ],
    )
    def test_falls_on_whoever_is_not_answered_about(self, library: SipLibrary, befalls: Reply) -> None:
        library.befalls = lambda asked: befalls if asked.fields.get("AA") == "20152003" else None
        connector = ask(library, timeout=timedelta(milliseconds=300) if befalls is SILENCE else timedelta(seconds=20))
        snapshot = connector.pull()
        assert people(snapshot) == ({"20151001"}, {"20151001"}, {"20152003"})
        assert "1 of 4 numbers: no answer; this answer releases none of them." in snapshot.warnings
        with pytest.raises(SourceUnavailable, match=r"127\.0\.0\.1"):
            connector.pull_one("20152003")

    def test_is_gone_when_the_next_round_is_answered(self, library: SipLibrary) -> None:
        library.befalls = lambda asked: (
            Reply(hang_up=True)
            if asked.fields.get("AA") == "20152003" and len(library.asked_about("20152003")) <= 2
            else None
        )
        time = Time()
        snapshot = ask(library, time=time, per_student={"rounds": 2}).pull()
        assert time.pauses == [10]
        assert people(snapshot) == ({"20151001"}, {"20151001", "20152003"}, set())

    @pytest.mark.parametrize("checksums", [True, False])
    def test_falls_on_no_one_else_for_a_line_that_no_one_asked_for(
        self, library: SipLibrary, *, checksums: bool
    ) -> None:
        nothing = f"64{' ' * 14}00020190525    090000{'0000' * 6}AOMAIN|AA{{}}|BLY|"
        library.readers.append(Reader("20152004", [("B9", "书", "")]))
        library.detects = checksums

        def two_lines(asked: Asked) -> Reply | None:
            """Answer about one, and about the next as well, whose sequence number is right."""
            if asked.fields.get("AA") != "20152003":
                return None
            lines = [nothing.format(number).encode() for number in ("20152003", "20152004")]
            if checksums:
                digits = (int(asked.raw[-7:-6]), (int(asked.raw[-7:-6]) + 1) % 10)
                lines = [line + b"AY%dAZ" % digit for line, digit in zip(lines, digits, strict=True)]
                lines = [line + total(line) for line in lines]
            return Reply(raw=b"".join(line + b"\r" for line in lines))

        library.befalls = two_lines
        held, _, doubtful = people(ask(library, titles=False, checksums=checksums).pull())
        assert "20152004" in held | doubtful

    @pytest.mark.parametrize(
        "second",
        [("AA20151001|", "AA20152003|"), ("AOMAIN|", "AOBRANCH|"), ("0002000100000000", "0003000100000000")],
        ids=["another reader", "another institution", "another count"],
    )
    def test_falls_on_a_list_whose_further_page_is_of_something_else(
        self, library: SipLibrary, second: tuple[str, str]
    ) -> None:
        library.page = 1
        library.tamper = lambda asked, text: text.replace(*second) if "BP" in asked.fields else text
        held, known, doubtful = people(ask(library, titles=False).pull())
        assert (held, doubtful) == (set(), {"20151001"})
        assert "20151001" not in known

    def test_names_an_answer_of_another_kind(self, library: SipLibrary) -> None:
        library.befalls = lambda asked: Reply("941") if asked.code == "63" else None
        with pytest.raises(SourceUnavailable, match="answered with a 94 in place of a 64"):
            ask(library).pull_one("20152003")

    def test_of_too_many_is_no_answer(self, library: SipLibrary) -> None:
        library.tamper = lambda _asked, text: text.replace("AOMAIN|AA", "AOBRANCH|AA")
        with pytest.raises(SourceUnavailable, match=r"4 of 4 numbers .* another institution") as caught:
            ask(library).pull()
        assert "institution" in caught.value.fix_text
        library.befalls = lambda asked: Reply(hang_up=True) if asked.code == "63" else None
        with pytest.raises(SourceUnavailable, match="closed the connection"):
            ask(library).pull()

    def test_may_fall_on_as_many_as_the_settings_say(self, library: SipLibrary) -> None:
        library.befalls = lambda asked: Reply(hang_up=True) if asked.fields.get("AA", "").startswith("20152") else None
        with pytest.raises(SourceUnavailable, match="2 of 4 questions"):
            ask(library).pull()
        assert people(ask(library, most_doubtful=0.5).pull())[2] == {"20152003", "20152004"}
        library.befalls = lambda asked: Reply(hang_up=True) if asked.fields.get("AA") == "20152003" else None
        with pytest.raises(SourceUnavailable):
            ask(library, most_doubtful=0).pull()

    def test_a_number_that_cannot_be_sent_is_not_sent(self, library: SipLibrary) -> None:
        roster = Candidates({"2015|AA20151001": ("2015|AA20151001",), "20151001": ("20151001",)}, 5)
        snapshot = ask(library, roster).pull()
        assert people(snapshot) == ({"20151001"}, {"20151001"}, {"2015|AA20151001"})
        assert "cannot send" in snapshot.warnings[0]
        assert len([asked for asked in library.asked if asked.code == "63"]) == 1

    def test_a_roster_of_whom_no_card_is_known_is_at_a_wrong_library(self, library: SipLibrary) -> None:
        library.readers = []
        for missing in ("outside", "nothing"):
            with pytest.raises(SourceGarbled, match="knows no student on the roster"):
                ask(library, missing=missing).pull()

    def test_an_unknown_card_means_nothing_lent_only_where_the_settings_say_so(self, library: SipLibrary) -> None:
        snapshot = ask(library, missing="nothing").pull()
        assert people(snapshot) == ({"20151001"}, {"20151001", "20152003", "20152004", "CARD-1"}, set())
        assert people(ask(library).pull_one("20152004")) == (set(), set(), set())
        assert [warning for warning in snapshot.warnings if warning.startswith("1 of 3 students have no card")]
        assert not [warning for warning in ask(library).pull().warnings if "no card" in warning]
