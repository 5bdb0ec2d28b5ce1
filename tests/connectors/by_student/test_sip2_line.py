"""How the line to a library is opened and spoken over SIP2, and what of it is taken for an answer: on a real socket."""

import random
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connectors import sip2
from connectors.by_student.sip2_wire import BrokenLine, checksum, parse_message
from connectors.port import (
    Candidates,
    ProofKind,
    Snapshot,
    SourceError,
    SourceRefused,
    SourceUnavailable,
)
from tests.connectors import sip2_office
from tests.connectors.sip2_office import LENT, PLACE, SECRET, ask, people
from tests.services.directory import certify
from tests.services.sip_library import Asked, Reader, Reply, SipLibrary, total

#: Of three students the first has two books and owes a fine, the second owes nothing, the third has no card.
library = sip2_office.library


class TestTheLine:
    @pytest.mark.parametrize("ends", [b"\r", b"\r\n"])
    @pytest.mark.parametrize("terminator", ["cr", "crlf"])
    def test_may_end_in_either_way(self, library: SipLibrary, ends: bytes, terminator: str) -> None:
        library.ends = ends
        assert len(ask(library, terminator=terminator).pull().rows) == 2

    def test_a_damaged_answer_is_asked_for_again_a_few_times(self, library: SipLibrary) -> None:
        damaged = [3]

        def befalls(asked: Asked) -> Reply | None:
            if asked.fields.get("AA") != "20151001" or not damaged[0]:
                return None
            damaged[0] -= 1
            return Reply(raw=b"64              000AOMAIN|AA20151001|BLY|AY1AZ0000\r")

        library.befalls = befalls
        assert len(ask(library, titles=False).pull().rows) == 2
        assert len(library.asked_about("20151001")) == 4
        assert library.connections == 1
        damaged[0] = 99
        assert "20151001" in people(ask(library).pull())[2]
        assert damaged[0] == 95
        with pytest.raises(SourceUnavailable, match="sent an answer with a wrong checksum, 4 times"):
            ask(library).pull_one("20151001")

    def test_a_96_is_answered_with_the_same_question_a_few_times(self, library: SipLibrary) -> None:
        refused = [2]

        def befalls(asked: Asked) -> Reply | None:
            refused[0] -= asked.code == "63"
            return Reply(raw=b"96AZFEF6\r") if asked.code == "63" and refused[0] >= 0 else None

        library.befalls = befalls
        assert len(ask(library, titles=False).pull().rows) == 2
        assert len({asked.raw for asked in library.asked if asked.code == "63"}) == 4
        library.befalls = lambda asked: Reply(raw=b"96AZFEF6\r") if asked.code == "63" else None
        with pytest.raises(SourceUnavailable, match="did not understand a question, 4 times"):
            ask(library).pull_one("20151001")

    def test_goes_without_checksums_where_the_settings_say_so(self, library: SipLibrary) -> None:
        library.detects = False
        with pytest.raises(SourceRefused, match="without a sequence number") as caught:
            ask(library).pull()
        assert "checksums = false" in caught.value.fix_text
        assert len(ask(library, checksums=False).pull().rows) == 2

    def test_speaks_the_encoding_of_the_settings(self, library: SipLibrary) -> None:
        library.encoding = "gb18030"
        # The second half of this letter is a | in GBK.
        library.readers[0].loans[:] = [("B1", "構東淸", "")]
        assert "構東淸".encode("gb18030").count(b"|")
        assert [row[1] for row in ask(library, encoding="gb18030").pull().rows] == ["構東淸"]

    def test_in_another_encoding_it_is_a_doubt_that_a_letter_swallows_a_field(self, library: SipLibrary) -> None:
        library.tamper = lambda _asked, text: text.replace("BLY|", "BLY|AF欠款学|").replace("AFG", "AFH")
        library.readers[0].fines.clear()
        library.readers[0].currency = ""
        swallowed = "AF欠款学|BV".encode().decode("gb18030", "replace")
        assert "|BV" not in swallowed
        snapshot = ask(library, asks="fines", encoding="gb18030").pull()
        assert people(snapshot)[2] == {"20151001"}

    def test_a_broken_letter_is_named_and_costs_no_row(self, library: SipLibrary) -> None:
        library.readers[0].loans[0] = ("B1", "构\ufffd学", "")
        snapshot = ask(library).pull()
        assert len(snapshot.rows) == 2
        assert [warning for warning in snapshot.warnings if "title" in warning]
        assert ProofKind.CHARSET_SANE not in {proof.kind for proof in snapshot.proofs}

    @pytest.mark.parametrize(
        "message",
        [
            # As public transcripts of working services have them; the last one is the protocol's own.
            b"6300120171123    123051          AOJL|AATEST03|BP1|BQ5|AY0AZF25E",
            b"941AY3AZFDFA",
            b"96AZFEF6",
        ],
    )
    def test_has_the_checksum_that_other_programs_give_it(self, message: bytes) -> None:
        assert checksum(message[:-4]) == message[-4:]

    def test_with_another_checksum_is_broken(self) -> None:
        assert parse_message(b"941AY3AZFDFA", "utf-8", checksums=True).fixed == "1"
        with pytest.raises(BrokenLine, match="wrong checksum"):
            parse_message(b"941AY3AZFDFB", "utf-8", checksums=True)

    def test_whatever_comes_is_an_answer_or_a_clear_error_and_clears_no_one(self, library: SipLibrary) -> None:
        """Lines that are cut, swapped and filled with noise; each has a right checksum, or none at all."""
        chance = random.Random(20190525)
        good = f"64{' ' * 14}00020190525    090000{'0000' * 6}AOMAIN|AA20151001|AE张|BLY|AUB1|BV1.00|".encode()
        noise = [b"|", b"AA", b"BLY|", b"AU", b"\0", b"\n", b"\xff", b"AY", b"AZ", b"0", b" ", b"9", "学".encode()]

        def line() -> bytes:
            made = bytearray(good)
            for _ in range(chance.randint(1, 6)):
                at = chance.randrange(len(made) + 1)
                made[at : at + chance.choice((0, 1, 3, 40))] = chance.choice(noise) * chance.choice((1, 1, 2, 300))
            return bytes(made)

        cleared = 0
        for _ in range(600):
            raw = line()

            def befalls(asked: Asked, raw: bytes = raw) -> Reply | None:
                return None if asked.code == "99" else Reply(raw=self._tailed(raw, asked))

            library.befalls = befalls
            asks = chance.choice(("loans", "fines"))
            connector = ask(library, resends=0, checksums=chance.random() < 0.5, asks=asks)
            snapshot = _or_none(connector)
            if snapshot is None:
                continue
            held, known, doubtful = people(snapshot)
            if "20151001" in known and not held and not doubtful:
                cleared += 1
                assert re.search(rb"(^|\|)AA *20151001 *\|", raw[61:])
                assert re.search(rb"(^|\|)BL *Y *\|", raw[61:])
                assert not re.search({"loans": rb"\|AU *[^| ]", "fines": rb"\|BV *[^| 0]"}[asks], raw)
        assert cleared

    @staticmethod
    def _tailed(raw: bytes, asked: Asked) -> bytes:
        tail = raw + b"AY" + asked.raw[-7:-6] + b"AZ"
        return (tail + total(tail) if asked.raw[-9:-7] == b"AY" else raw) + b"\r"


def _or_none(connector: sip2.Sip2) -> Snapshot | None:
    """Return an answer about one student; None for a clear error."""
    try:
        return connector.pull_one("20151001")
    except SourceError as error:
        fix_text = error.fix_text
    assert fix_text.endswith(".")
    return None


class TestTheWay:
    def test_of_a_login_is_taken_with_its_password_and_place(self, library: SipLibrary) -> None:
        library.account = ("clearance", SECRET, PLACE)
        login: dict[str, Any] = {"user": "clearance", "password": "env:SECRET", "location": "env:PLACE"}
        assert len(ask(library, **login).pull().rows) == 2
        for own in ({**login, "user": "other"}, {**login, "location": "env:SECRET"}):
            with pytest.raises(SourceRefused, match="refused the login") as caught:
                ask(library, **own).pull()
            assert SECRET not in str(caught.value)
            assert PLACE not in str(caught.value)
        with pytest.raises(SourceUnavailable, match="closed the connection"):
            ask(library).pull()

    def test_takes_the_terminals_password_with_each_question(self, library: SipLibrary) -> None:
        connector = ask(library, terminal_password="env:SECRET")
        told = [repr(connector), repr(connector.check()), repr(connector.pull())]
        assert {asked.fields["AC"] for asked in library.asked if asked.code in ("17", "63")} == {SECRET}
        assert not [text for text in told if SECRET in text]

    @pytest.mark.parametrize(
        ("own", "says"),
        [
            ({"host": ""}, "host"),
            ({"password": "env:SECRET"}, "set user"),
            ({"user": "a|b"}, "cannot send"),
            ({"encoding": "utf-16"}, "not an encoding"),
            ({"encoding": "gb-nothing"}, "not an encoding"),
            ({"most_doubtful": 0.9}, "most_doubtful"),
            ({"password": "word"}, "a secret must not be in the settings file"),
        ],
    )
    def test_settings_that_make_no_sense_are_refused(self, library: SipLibrary, own: dict[str, Any], says: str) -> None:
        with pytest.raises(ValidationError, match=says):
            ask(library, **own)

    def test_by_tls_is_that_of_a_trusted_certificate(self, certificate: Path) -> None:
        with SipLibrary(Reader("20151001", list(LENT)), Reader("20152003"), certificate=certificate) as library:
            tls: dict[str, Any] = {"host": "localhost", "tls": True, "authority": str(certificate / "cert.pem")}
            assert len(ask(library, **tls).pull().rows) == 2
            assert not [w for w in ask(library, **tls).check().warnings if "CLEAR TEXT" in w]
            for own in ({**tls, "host": "127.0.0.1"}, {**tls, "authority": None}):
                with pytest.raises(SourceRefused, match="not trusted"):
                    ask(library, **own).pull()

    def test_by_tls_to_a_service_of_clear_text_is_refused_with_the_fix(self, library: SipLibrary) -> None:
        with pytest.raises((SourceRefused, SourceUnavailable)) as caught:
            ask(library, host="localhost", tls=True, connect_timeout=timedelta(milliseconds=500)).pull()
        assert caught.value.fix_text.endswith(".")

    @pytest.mark.parametrize("answers", [2, 3])
    def test_goes_on_over_a_new_connection_where_a_service_closes_the_old_one(
        self, library: SipLibrary, answers: int
    ) -> None:
        library.lasts = answers
        snapshot = ask(library).pull()
        assert people(snapshot) == ({"20151001"}, {"20151001", "20152003"}, set())
        assert library.connections == {2: 6, 3: 3}[answers]

    def test_to_a_service_that_is_not_online_or_of_version_1_is_no_way(self, library: SipLibrary) -> None:
        library.online = "N"
        with pytest.raises(SourceUnavailable, match="not online"):
            ask(library).pull()
        library.online, library.version = "Y", "1.00"
        with pytest.raises(SourceRefused, match="version 1"):
            ask(library).pull()
        library.version, library.supports = "2.00", "YYYYYYYNYYYYYYYY"
        for asked in (ask(library).pull, ask(library).check):
            with pytest.raises(SourceRefused, match="does not answer questions about readers"):
                asked()

    def test_is_gone_by_as_many_connections_as_the_settings_say(self, library: SipLibrary) -> None:
        library.readers = [Reader(f"2015{n:04}") for n in range(40)]
        roster = Candidates({reader.card: (reader.card,) for reader in library.readers}, 5)
        assert len(ask(library, roster, per_student={"per_second": 1000}).pull().population or ()) == 40
        assert library.connections == 1
        ask(library, roster, per_student={"per_second": 1000, "at_once": 3}).pull()
        assert library.connections <= 4
        settings = sip2.Settings.model_validate({"host": "x", "asks": "loans"})
        assert (settings.per_student.at_once, settings.per_student.per_second) == (1, 10)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate for localhost, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    certify(folder)
    return folder
