"""The chain: each link's seal, and its digests of its run and flips."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby, islice
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from foundation.translation import tr
from status_db.ledger import raw_rows
from status_db.ledger.chain import LinkKind
from status_db.ledger.reader import LedgerReader
from status_db.ledger.seals import NOTHING, Seals
from status_db.ledger.sets import FLIPS, RUN, RUNS, altered, is_carried
from sync.verify.disagreements import DisagreementList

#: How many links are in memory at once.
_AT_ONCE = 1_000

_FLIP_LINK = 1 + raw_rows.FLIP.index("link")
_FLIP_OF = [1 + raw_rows.FLIP.index(name) for name in ("run", "decision", "at")]
_LINK_OF = [raw_rows.LINK.index(name) for name in ("run", "decision", "at")]

_Group: TypeAlias = tuple[int, Iterator[raw_rows.Values]]


class Chain:
    """Follows a ledger from its first link to its newest."""

    def __init__(self, reader: LedgerReader, seals: Seals, found: DisagreementList) -> None:
        self._reader = reader
        self._seals = seals
        self._found = found
        self.looked_at = {"links": 0, "runs": 0, "flips": 0}
        #: Name → the newest digest as hex, and its link.
        self.newest: dict[str, tuple[str, int]] = {}
        self._began: Any = None
        self._flips: Iterator[_Group] = iter(())
        self._next_flips: _Group | None = None

    def follow(self, heads: Mapping[int, str]) -> None:
        """Check every link in order, with its run and flips, and that the logged heads are among them."""
        groups = groupby(self._reader.flips(), key=lambda flip: int(flip[_FLIP_LINK]))
        self._flips = ((link, flips) for link, flips in groups)
        self._next_flips = next(self._flips, None)
        links, before, expected, watermark = self._reader.links(), NOTHING, 1, 0
        waiting = dict(heads)
        while batch := list(islice(links, _AT_ONCE)):
            runs = self._reader.runs(
                [n for link in batch if (n := link.values[raw_rows.LINK.index("run")]) is not None]
            )
            for link in batch:
                _, number, kind, run, *_ = link.values
                if number != expected:
                    self._found.add("ledger", "gap", tr("link {number}", number=expected), tr("is missing"))
                elif self._seals.link(before, link.values) != link.mac:
                    self._found.add("ledger", "seal", tr("link {number}", number=number), tr("does not match its seal"))
                words = self._read_words(number, link.values)
                if kind == LinkKind.CHECKPOINT:
                    watermark, self._began = run or 0, link.values[raw_rows.LINK.index("at")]
                    self._check_past_runs(watermark, words)
                else:
                    self._check_run(number, run, runs.get(run), words)
                self._check_flips(link.values, words)
                logged = waiting.pop(number, None)
                if logged is not None and logged != (link.mac or b"").hex():
                    self._found.add(
                        "ledger", "head", tr("link {number}", number=number), tr("does not match the seal in the log")
                    )
                before, expected = link.mac or b"", number + 1
                self.looked_at["links"] += 1
        for number in sorted(waiting):
            self._found.add(
                "ledger",
                "cut",
                tr("link {number}", number=number),
                tr("is in the log, but the ledger ends at {last}: it was cut off", last=expected - 1),
            )
        while self._next_flips is not None:
            self._add_misplaced(self._next_flips)
        for run in self._reader.unlinked_runs(watermark):
            self._found.add(
                "run", "unlinked", tr("run {run}", run=run), tr("is marked as applied or confirmed, but has no link")
            )

    def _read_words(self, number: int, values: raw_rows.Values) -> dict[str, str]:
        try:
            sets = json.loads(values[raw_rows.LINK.index("sets")])
            words = {str(name): str(digest) for name, digest in sets.items()}
        except (ValueError, TypeError, AttributeError):
            # The check of its seal has already reported that it was altered.
            return {}
        for name, digest in words.items():
            if name.startswith(altered("source:")):
                self._found.add(
                    "source_state",
                    "before",
                    name.removeprefix(altered("source:")),
                    tr("was altered before link {number}", number=number),
                )
            elif name not in (FLIPS, RUN, RUNS):
                self.newest[name] = digest, number
        for name in [n for n, (_, link) in self.newest.items() if is_carried(n) and link != number]:
            # Each link repeats these; a missing one was dropped by an alteration of the link.
            del self.newest[name]
        return words

    def _check_past_runs(self, newest: int, words: Mapping[str, str]) -> None:
        over = self._seals.running(RUNS)
        for values in self._reader.past_runs(newest):
            over.add(values)
        if words.get(RUNS) != (over.digest() if over.rows else None):
            self._found.add(
                "run", "past", tr("runs up to {run}", run=newest), tr("have changed since the ledger was begun")
            )

    def _check_run(self, link: int, run: int | None, row: raw_rows.Values | None, words: Mapping[str, str]) -> None:
        if RUN not in words:
            return
        self.looked_at["runs"] += 1
        if row is None:
            self._found.add(
                "run", "gone", tr("run {run}", run=run), tr("is missing, but link {link} is about it", link=link)
            )
        elif self._seals.digest(RUN, row) != words[RUN]:
            self._found.add(
                "run", "row", tr("run {run}", run=run), tr("does not match link {link}, which closed it", link=link)
            )

    def _check_flips(self, link: raw_rows.Values, words: Mapping[str, str]) -> None:
        number: int = link[1]
        while self._next_flips is not None and self._next_flips[0] < number:
            self._add_misplaced(self._next_flips)
        digest, key, suspect, alone = None, tr("link {number}", number=number), "", False
        if self._next_flips is not None and self._next_flips[0] == number:
            over, first, last = self._seals.running(FLIPS), None, None
            wanted = [link[at] for at in _LINK_OF]
            for flip in self._next_flips[1]:
                over.add(flip[1:])
                first, last = first if first is not None else flip[0], flip[0]
                if not suspect and link[2] != LinkKind.CHECKPOINT and [flip[at] for at in _FLIP_OF] != wanted:
                    suspect = _flip_text(flip)
            digest = over.digest()
            self.looked_at["flips"] += over.rows
            alone = first == last
            key = (
                tr("flip {flip} of link {link}", flip=first, link=number)
                if alone
                else tr("flips {first} to {last} of link {link}", first=first, last=last, link=number)
            )
            self._next_flips = next(self._flips, None)
        if digest != words.get(FLIPS):
            what = tr("are missing") if digest is None else tr("do not match the link that closed them")
            self._found.add(
                "flip",
                "link",
                suspect or key,
                tr("belongs to another link") if alone else what,
            )

    def _add_misplaced(self, group: _Group) -> None:
        for flip in group[1]:
            self._found.add(
                "flip", "place", _flip_text(flip), tr("is not among the flips of link {link}", link=group[0])
            )
        self._next_flips = next(self._flips, None)

    def notes(self, zone: ZoneInfo) -> tuple[str, ...]:
        """Return since when the ledger covers the stored rows."""
        began = self._began
        if isinstance(began, str):
            try:
                began = datetime.fromisoformat(began)
            except ValueError:
                began = None
        if not isinstance(began, datetime):
            return ()
        since = f"{began.astimezone(zone):%Y-%m-%d %H:%M:%S}"
        return (tr("the ledger was begun on {since}: earlier rows were sealed without a check", since=since),)


def _flip_text(flip: Sequence[Any]) -> str:
    return tr(
        "flip {flip} ({student} {step})",
        flip=flip[0],
        student=flip[1 + raw_rows.FLIP.index("student")],
        step=flip[1 + raw_rows.FLIP.index("step")],
    )
