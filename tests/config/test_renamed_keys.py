"""Keys of the settings that were renamed: the former ones work for one release, with a notice."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from config.renames import RENAMED_KEYS
from config.settings import Settings
from sync.rule_settings import source_rule
from tests.config.test_settings import ENVIRON, mistakes, settings
from tests.services.university import ROOT
from tests.world import SETTINGS

#: A value of each key that is not its default.
VALUES = {
    ("desk", "objection_due"): '"8 h"',
    ("desk", "objections_waiting"): "2",
    ("source", "brought"): "true",
}

every_key = pytest.mark.parametrize(("table", "former"), RENAMED_KEYS)


def written(table: str, *keys: str, value: str = "") -> str:
    """Return settings with these keys in a table of this name; the source is a list that is uploaded."""
    lines = "".join(f"{key} = {value or VALUES[table, keys[0]]}\n" for key in keys)
    if table != "source":
        return f"{SETTINGS}\n[{table}]\n{lines}"
    head, tail = SETTINGS.split('step = "dorm"\nconnector = "memory"\n')
    return f'{head}step = "dorm"\nconnector = "sheet"\npath = "checkouts.csv"\n{lines}{tail}'


def value_of(read: Settings, table: str, key: str) -> object:
    """Return the value of a key."""
    return getattr(read.desk if table == "desk" else read.source["checkouts"].own, key)


def test_every_former_key_is_tried_here() -> None:
    assert VALUES.keys() == RENAMED_KEYS.keys()


@every_key
def test_a_former_key_is_the_current_one_with_a_notice(tmp_path: Path, table: str, former: str) -> None:
    current = RENAMED_KEYS[table, former]
    value = VALUES[table, former]
    before = settings(tmp_path, written(table, former))
    after = settings(tmp_path, written(table, current, value=value))
    assert value_of(before, table, current) == value_of(after, table, current)
    where = "desk" if table == "desk" else "source.checkouts"
    notice = f"[{where}] {former} is now {current}. The old key works until the next release. Rename it."
    assert (before.former_keys, after.former_keys) == ((notice,), ())


def test_both_names_of_a_key_are_a_mistake(tmp_path: Path) -> None:
    text = written("desk", "objection_due", "appeal_due", value='"8 h"')
    assert mistakes(tmp_path, text) == [
        "[desk] objection_due: is now appeal_due, which is here, too: remove objection_due"
    ]


def test_a_variable_with_a_former_key_still_works(tmp_path: Path) -> None:
    environ: Mapping[str, str] = {**ENVIRON, "CLEARANCE__DESK__OBJECTION_DUE": "8 h"}
    read = settings(tmp_path, environ=environ)
    assert read.desk.appeal_due == timedelta(hours=8)
    assert len(read.former_keys) == 1


def test_a_file_cannot_set_the_notices(tmp_path: Path) -> None:
    assert len(mistakes(tmp_path, 'former_keys = ["x"]\n' + SETTINGS)) == 1


def test_the_digest_of_a_question_stays_when_its_key_is_renamed(tmp_path: Path) -> None:
    """A changed digest would be a changed question, which waits for an approval."""
    digests = {
        key: source_rule(settings(tmp_path, written("source", key, value="true")), "checkouts").question.hex()
        for key in ("brought", "uploaded")
    }
    # As computed before the rename.
    assert set(digests.values()) == {"1cbe95ac9a50de3ca9eb2fb431966d50"}
    other = source_rule(settings(tmp_path, written("source", "uploaded", value="false")), "checkouts")
    assert other.question.hex() not in digests.values()


def test_the_changelog_names_every_former_and_current_key() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert [old for (_, old), new in RENAMED_KEYS.items() if f"`{new}` instead of `{old}`" not in text] == []
