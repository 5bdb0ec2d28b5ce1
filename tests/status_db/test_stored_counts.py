"""The counts of runs and batches: what is stored of them stays as it was, and what older versions stored is read."""

import json
from dataclasses import fields, replace
from typing import Any

import pytest

from portal.i18n.labels import COUNTS
from status_db.decisions.batch_rows import RowKind
from status_db.guard_reasons import GuardReason, GuardReasonKind
from status_db.stored_counts import BatchCounts, RunCounts, reverting_in_json
from status_db.tables.types import json_text

GUARD_REASON = GuardReason(GuardReasonKind.NO_ROWS, {"before": 30})

#: Each kind of run as it has been stored since the first version, byte for byte.
STORED = {
    "a source": (
        '{"rows":9,"roster_rows":8,"strangers":1,"staying":0,"no_amount":0,"nameless":0,"records":2,"released":1,'
        '"newly_held":0,"newly_unknown":0,"counted_cleared":1,"counted_held":0,"flips":1,"approved":true,'
        '"warnings":["slow"],"objections":[["no_rows",{"before":30}]]}'
    ),
    "the roster": '{"rows":9,"leaving":8,"joined":0,"changed":1,"left":0,"dropped":0,"flips":0}',
    "the settings": (
        '{"students":8,"steps_added":8,"steps_removed":0,"findings":0,"flows":0,"unplaced":0,"retired":0,"flips":8}'
    ),
    "not pulled": '{"not_pulled":true,"warnings":["weak"]}',
    "taken back": '{"rows":0,"flips":3,"reverts":12,"left_alone":0,"because":"a mistake"}',
    "failed": "{}",
}


def read(text: str) -> RunCounts:
    return RunCounts.from_stored(json.loads(text))


@pytest.mark.parametrize("kind", STORED)
def test_what_was_stored_is_stored_again_byte_for_byte(kind: str) -> None:
    assert json_text(read(STORED[kind]).stored()) == STORED[kind]


def test_a_count_of_nothing_is_distinguished_from_one_that_was_never_made() -> None:
    assert read(STORED["the roster"]).joined == 0
    assert read(STORED["the roster"]).released is None
    assert read(STORED["a source"]).reasons == (GUARD_REASON,)


def test_keys_of_other_versions_are_ignored() -> None:
    assert RunCounts.from_stored({"seconds": 3, "rows": 1}) == RunCounts(rows=1)
    assert BatchCounts.from_stored({"printed": 3, "new": 1}) == BatchCounts(new=1)


def test_the_run_that_takes_another_back_is_found_by_its_whole_number() -> None:
    for counts in (RunCounts(reverts=12), RunCounts(reverts=12, left_alone=0)):
        text = json_text(counts.stored())
        assert any(part in text for part in reverting_in_json(12))
        assert not any(part in text for part in (*reverting_in_json(1), *reverting_in_json(2)))


def test_the_page_has_words_for_every_count_of_a_run() -> None:
    flags: dict[str, Any] = {"because": "x", "approved": True, "not_pulled": True}
    lists = {"warnings", "reasons"}
    named = [field.name for field in fields(RunCounts) if field.name not in lists]
    for index, name in enumerate(named):
        one = replace(RunCounts(), **{name: flags.get(name, index)})
        assert sum(count(one) is not None for count, _ in COUNTS) == 1, name
    assert len(COUNTS) == len(named)


def test_a_sheet_is_counted_by_the_kind_of_its_rows() -> None:
    counts = BatchCounts.from_rows([RowKind.NEW, RowKind.NEW, RowKind.SAME, RowKind.WRONG], 2)
    assert counts.stored() == {"new": 2, "same": 1, "wrong": 1, "entered": 2}
    assert counts.not_entered == 2
    assert BatchCounts.from_rows(RowKind, 1).stored() == dict.fromkeys([*RowKind, "entered"], 1)


def test_of_a_class_review_nothing_is_left_out() -> None:
    counts = BatchCounts(chosen=2, reviewed=2)
    assert counts.stored() == {"chosen": 2, "reviewed": 2, "issued": 0, "left_out": 0}
    assert BatchCounts.from_stored(counts.stored()) == counts
