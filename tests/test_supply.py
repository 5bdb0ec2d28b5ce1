"""What the program is made of: every package and vendored file is listed, licensed and as it was written down."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from supply import audit, licences, sbom, vendored
from supply.locks import LOCKS, locked
from tests.services.university import ROOT

#: What other people's files look like; ours never do.
OTHERS = re.compile(r"\.(ttf|otf|woff2?|eot|jar|dll|so|min\.(js|css))$")

#: Pictures of our own pages, and files that tests read.
OWN_BINARIES = ("docs/screenshots/", "foundation/locale/", "tests/")


def tracked() -> list[str]:
    """Return the repository's files."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split("\0") if name]


def test_every_vendored_file_is_as_it_was_written_down_and_has_its_licence() -> None:
    assert list(vendored.faults()) == []


@pytest.mark.parametrize("change", ["altered", "not listed", "without its licence", "gone"])
def test_a_vendored_file_that_is_not_right_is_found(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vendored, "FOLDERS", (tmp_path,))
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (tmp_path / "a.ttf").write_text("abc", encoding="ascii")
    (tmp_path / "SHA256SUMS").write_text(f"{digest}  a.ttf\n", encoding="ascii")
    (tmp_path / "README.md").write_text("| `a.ttf` | x | 1 | MIT |\n", encoding="ascii")
    assert list(vendored.faults()) == []
    match change:
        case "altered":
            (tmp_path / "a.ttf").write_text("abd", encoding="ascii")
        case "not listed":
            (tmp_path / "b.ttf").write_text("abc", encoding="ascii")
        case "without its licence":
            (tmp_path / "README.md").write_text("", encoding="ascii")
        case _:
            (tmp_path / "a.ttf").unlink()
    assert list(vendored.faults())


def test_nothing_of_others_lies_anywhere_else() -> None:
    listed = {path.relative_to(ROOT).as_posix() for path in vendored.vendored()}
    found = []
    for name in tracked():
        file = ROOT / name
        data = file.read_bytes() if file.is_file() else b""
        binary = b"\0" in data[:8000] and not name.startswith(OWN_BINARIES)
        claimed = re.search(rb"(?i)copyright \(c\)|@license|SPDX-License-Identifier", data)
        if OTHERS.search(name) or binary or (claimed and not name.startswith(("tests/", "supply/"))):
            found.append(name)
    assert found, "what is vendored is found by the same search"
    assert set(found) <= listed


def test_every_locked_package_has_a_licence_that_is_allowed() -> None:
    refused = {name: licences.licence(name) for name, _ in locked("dev")}
    assert {name: said for name, said in refused.items() if not licences.is_allowed(said)} == {}


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True), ("MIT OR GPL-3.0-only", True), ("MIT AND PSF-2.0", True), ("Apache-2.0 OR BSD-3-Clause", True),
        ("GPL-3.0-only", False), ("MIT AND GPL-3.0-only", False), ("AGPL-3.0", False), ("", False), ("Unknown", False),
    ],
)  # fmt: skip
def test_of_an_or_one_licence_is_enough_and_of_an_and_none_is(expression: str, allowed: bool) -> None:
    assert licences.is_allowed(expression) is allowed


def test_the_page_of_licences_is_what_the_packages_say() -> None:
    assert licences.PAGE.read_text(encoding="utf-8") == licences.licence_page(), "run: make licences"


def test_the_projects_own_licence_is_apaches_whole_text() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("lock", LOCKS)
def test_the_bill_of_materials_names_every_package_and_file_and_no_index(lock: str) -> None:
    bill = sbom.made(lock)
    named = {(each["name"], each.get("version")) for each in bill["components"] if each["type"] == "library"}
    assert named == set(locked(lock))
    files = {each["name"] for each in bill["components"] if each["type"] == "file"}
    assert files == {path.relative_to(ROOT).as_posix() for path in vendored.vendored()}
    assert all(each.get("licenses") for each in bill["components"] if each["type"] == "library")
    text = json.dumps(bill)
    assert set(re.findall(r"https?://[^/\"]+", text)) == {"http://cyclonedx.org"}
    assert str(ROOT) not in text
    hashes = set(re.findall(r"sha256:([0-9a-f]{64})", LOCKS[lock].read_text(encoding="utf-8")))
    assert hashes <= set(re.findall(r"[0-9a-f]{64}", text))


class TestTheAudit:
    def test_a_known_vulnerability_fails_with_its_name_and_fix(self) -> None:
        flaw = {"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2"]}
        said: dict[str, Any] = {
            "dependencies": [{"name": "a", "version": "1", "vulns": [flaw]}, {"name": "b", "skip_reason": "x"}]
        }
        lines, code = audit.report(said, "")
        assert code == 1
        assert lines[0] == "a 1: PYSEC-1, CVE-1; fixed in 2"
        assert "1 packages" in lines[-1]

    def test_without_data_it_reports_it_and_fails_nothing(self) -> None:
        nothing = {"dependencies": [{"name": "b", "skip_reason": "x"}]}
        for said in (None, nothing):
            lines, code = audit.report(said, "no answer")
            assert code == 0
            assert "Not audited" in lines[0]

    def test_it_waits_no_longer_than_it_may(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: dict[str, Any] = {}

        def never(_words: list[str], **how: Any) -> None:
            asked.update(how)
            raise subprocess.TimeoutExpired("pip-audit", how["timeout"])

        monkeypatch.setattr(subprocess, "run", never)
        assert audit.asked() == (None, f"no answer within {audit.LONGEST} s")
        assert asked["timeout"] <= 120


def test_ci_audits() -> None:
    assert "make audit" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
