"""The page of ASVS is true: every requirement of levels 1 and 2 is there, and every test it names exists."""

import re
from collections import Counter

from tests.services.university import ROOT

PAGE = (ROOT / "docs" / "asvs.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\d+\.\d+\.\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE)

#: Section of ASVS 5.0 → its requirements of levels 1 and 2.
SECTIONS = {
    "1.1": "1-2", "1.2": "1-9", "1.3": "1-11", "1.4": "1-3", "1.5": "1-2",
    "2.1": "1-3", "2.2": "1-3", "2.3": "1-4", "2.4": "1",
    "3.2": "1-2", "3.3": "1-4", "3.4": "1-6", "3.5": "1-5", "3.7": "1-2",
    "4.1": "1-3", "4.2": "1", "4.3": "1-2", "4.4": "1-4",
    "5.1": "1", "5.2": "1-3", "5.3": "1-2", "5.4": "1-3",
    "6.1": "1-3", "6.2": "1-11", "6.3": "1-3", "6.4": "1-4", "6.5": "1-5", "6.6": "1-3", "6.8": "1-3",
    "7.1": "1-3", "7.2": "1-4", "7.3": "1-2", "7.4": "1-5", "7.5": "1-2", "7.6": "1-2",
    "8.1": "1-2", "8.2": "1-3", "8.3": "1", "8.4": "1",
    "9.1": "1-3", "9.2": "1-4",
    "10.1": "1-2", "10.2": "1-2", "10.3": "1-4", "10.4": "1-11", "10.5": "1-5", "10.6": "1-2", "10.7": "1-3",
    "11.1": "1-2", "11.2": "1-3", "11.3": "1-3", "11.4": "1-3", "11.5": "1", "11.6": "1",
    "12.1": "1-3", "12.2": "1-2", "12.3": "1-4",
    "13.1": "1", "13.2": "1-5", "13.3": "1-2", "13.4": "1-5",
    "14.1": "1-2", "14.2": "1-4", "14.3": "1-3",
    "15.1": "1-3", "15.2": "1-3", "15.3": "1-7",
    "16.1": "1", "16.2": "1-5", "16.3": "1-4", "16.4": "1-3", "16.5": "1-3",
    "17.1": "1", "17.2": "1-4", "17.3": "1-2",
}  # fmt: skip


def test_every_requirement_of_levels_1_and_2_has_one_line_in_the_standards_order() -> None:
    expected = []
    for section, span in SECTIONS.items():
        first, _, last = span.partition("-")
        expected += [f"{section}.{number}" for number in range(int(first), int(last or first) + 1)]
    assert [row[0] for row in ROWS] == expected


def test_every_test_it_names_exists() -> None:
    named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", PAGE)
    assert len(named) > 100
    files = {file: (ROOT / "tests" / file).read_text(encoding="utf-8") for file, _ in named}
    assert [f"{file}::{name}" for file, name in named if f"def {name}(" not in files[file]] == []
    whole = re.findall(r"`([\w/]+\.py)`", PAGE)
    assert [file for file in whole if not (ROOT / "tests" / file).exists() and not (ROOT / file).exists()] == []


def test_each_line_has_a_state_and_what_is_held_is_held_by_something() -> None:
    assert {row[2] for row in ROWS} <= {"held", "part", "open", "site", "none"}
    assert [row[0] for row in ROWS if len(row[3].strip()) < 5] == []
    unproven = [
        row[0] for row in ROWS if row[2] == "held" and not re.search(r"::test_|\]\(|`|Python|\btable\b|rule", row[3])
    ]
    # By what there is none of: names of uploads and redirects.
    assert set(unproven) <= {"4.1.2"}


def test_the_head_counts_its_own_lines() -> None:
    counts = Counter(row[2] for row in ROWS)
    head = PAGE.split("\n\n")[1].replace("\n", " ")
    said = re.search(r"(\d+) are held, (\d+) in part, (\d+) open, (\d+) are the site's, (\d+) do not apply", head)
    assert said
    assert [int(each) for each in said.groups()] == [counts[s] for s in ("held", "part", "open", "site", "none")]
