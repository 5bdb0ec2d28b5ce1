"""What a command prints reaches every console, as text, and whole."""

import json
import os
import pwd
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import NoReturn

import pytest

from clearance.output import tables, terminal
from foundation.version import program_version
from tests.services.screen import on_a_terminal, screen
from tests.services.small import OWES, Small

#: Turns what follows red, clears the screen, sets the title of a window, turns the direction of writing.
HOSTILE = "[bold]a[/bold] :book: \x1b[31mred\x1b[2J\x1b]0;t\x07\x9b1m\u202egnirts\u2066\x7f\x08"
HARMLESS = "[bold]a[/bold] :book: \\x1b[31mred\\x1b[2J\\x1b]0;t\\x07\\x9b1m\\u202egnirts\\u2066\\x7f\\x08"


def of_others(text: str) -> bool:
    """Return whether no character of a text does anything on a terminal."""
    return not any(unicodedata.category(letter) in ("Cc", "Cf", "Cs") and letter != "\n" for letter in text)


class TestEncodings:
    @pytest.mark.parametrize(
        ("encoding", "name", "money"),
        [
            ("gbk", "张一", "￥2.30"),
            ("cp936", "张一", "￥2.30"),
            ("ascii", "????", "CNY 2.30"),
            ("latin-1", "????", "¥2.30"),
        ],
    )
    def test_what_a_console_lacks_is_replaced_in_tables_and_messages(
        self, university_of_three: Small, encoding: str, name: str, money: str
    ) -> None:
        ended = university_of_three.ended("status", OWES, encoding=encoding)
        assert ended.code == 0, ended.err
        assert f"{OWES} {name}" in ended.out
        assert money in ended.out
        refused = university_of_three.ended("status", "学号", encoding=encoding)
        assert refused.code == 1
        assert refused.err.startswith("there is no student ")

    def test_json_is_the_same_on_every_console(self, university_of_three: Small) -> None:
        whole = json.loads(university_of_three.ended("status", OWES, "--json").out)
        for encoding in ("gbk", "ascii"):
            ended = university_of_three.ended("status", OWES, "--json", encoding=encoding)
            assert json.loads(ended.out)["student"] == whole["student"]
            # A program that reads a pipe takes it for UTF-8.
            assert ended.out.isascii()

    def test_a_replaced_letter_is_as_wide_as_itself(self) -> None:
        assert "张é\udc80。x".encode("ascii", terminal.REPLACED) == b"??????x"

    def test_a_real_process_writes_to_a_pipe_and_a_file_in_any_encoding(
        self, university_of_three: Small, tmp_path: Path
    ) -> None:
        with (tmp_path / "out").open("wb") as out:
            process = subprocess.run(
                [sys.executable, "-m", "clearance", "--config", university_of_three.file, "status", OWES],
                env={**university_of_three.environ, "PYTHONIOENCODING": "gbk"},
                stdout=out,
                stderr=subprocess.PIPE,
            )
        assert process.returncode == 0, process.stderr
        assert "￥2.30" in (tmp_path / "out").read_bytes().decode("gbk")
        no_locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
        process = subprocess.run(
            [sys.executable, "-m", "clearance", "--config", university_of_three.file, "status", "学号"],
            env={**university_of_three.environ, **no_locale},
            capture_output=True,
        )
        # The words of a command line are bytes there, which no encoding of the console has a letter for.
        assert process.returncode == 2
        assert b"Traceback" not in process.stderr
        assert b"Type it again" in process.stderr


class TestTextOfOthers:
    def test_it_is_printed_as_text_and_does_nothing(self, university_of_three: Small) -> None:
        small = university_of_three
        small.loans([{"reader": OWES, "title": HOSTILE, "due": "2019-05-24", "barcode": HOSTILE}])
        small.fines([(OWES, "2.3", HOSTILE), (HOSTILE, "1", "x")])
        small.run("sync", "loans", "fines")
        for words in (("status", OWES), ("unmatched",), ("runs", "list"), ("runs", "show", "6"), ("check", "fines")):
            said = small.ended(*words)
            assert of_others(said.out + said.err), words
        assert HARMLESS in " ".join(small.ended("status", OWES).out.split())
        found = small.ended("status", OWES, "--json")
        assert of_others(found.out)
        held = json.loads(found.out)["student"]["steps"][0]["finding"]["evidence"]
        assert HOSTILE in {one["title"] for one in held}

    def test_it_does_nothing_in_a_log_either(self, university_of_three: Small) -> None:
        small = university_of_three
        # Of a row without a number the message quotes the beginning of its title.
        small.fines([(None, "2.3", "\x1b[31mred\u202e\x9b1m")])
        for kind in ("people", "json"):
            logged = small.ended("--verbose", "sync", "fines", CLEARANCE__LOG__FORMAT=kind).err
            (finished,) = (line for line in logged.splitlines() if "run finished" in line)
            assert "[31mred" in finished, kind
            assert of_others(logged), kind

    def test_ten_thousand_letters_are_whole_and_leave_the_other_columns_readable(
        self, university_of_three: Small
    ) -> None:
        long = "".join(chr(0x4E00 + place % 20_000) for place in range(10_000))
        university_of_three.loans([{"reader": OWES, "title": long, "due": "2019-05-24", "barcode": "B1"}])
        university_of_three.run("sync", "loans")
        said = university_of_three.run("status", OWES)
        assert long in "".join(letter for letter in said if letter in long)
        assert any("(library)" in line and "held" in line for line in said.splitlines())

    def test_a_word_of_the_command_line_that_is_no_text_is_refused(self, university_of_three: Small) -> None:
        for word in ("a\udcffb", "a\x1b[31m", "a\x00"):
            ended = university_of_three.ended("status", word)
            assert ended.code == 2
            assert ended.err.startswith("Word 4 of the command line, ")
            assert of_others(ended.err)
        # A mark that came along with copied text is accepted.
        assert university_of_three.ended("status", f"\u200e{OWES}x").code == 1


class TestBars:
    def test_results_stand_on_the_screen_whole(self, university_of_three: Small) -> None:
        small = university_of_three
        code, written = on_a_terminal(["--config", str(small.file), "sync"], small.environ)
        assert code == 0, written
        assert "\x1b[2K" in written, "no bar was shown"
        shown = [line for line in screen(written) if line]
        assert [line.split()[:2] for line in shown] == [
            ["unchanged", name] for name in ("roster", "loans", "fines", "fees")
        ]
        assert all(line.endswith(" rows") for line in shown)


class TestAmountsAndReasons:
    def test_an_amount_has_two_decimals_everywhere(self, university_of_three: Small) -> None:
        said = university_of_three.run("status", OWES)
        assert "逾期滞纳金 ¥2.30" in said
        assert "学费 ¥4,500.00" in said
        steps = university_of_three.json("status", OWES)["student"]["steps"]
        found = [one["amount"] for step in steps for one in step["finding"]["evidence"]]
        assert sorted(filter(None, found)) == ["2.30", "4500.00"]
        university_of_three.fees([("学号", "欠费", "项目"), (OWES, "-0.5", "退费")])
        assert "退费 -¥0.50" in university_of_three.run("plan", "fees", code=3)

    @pytest.mark.parametrize("sent", ["面议", "2.3"])
    def test_what_an_office_sends_is_shown_as_it_came(self, university_of_three: Small, sent: str) -> None:
        university_of_three.fees([("学号", "欠费", "项目"), (OWES, sent, "学费")])
        fees = next(one for one in university_of_three.json("check") if one.get("source") == "fees")
        assert fees["sample"]["row"]["amount"] == sent

    def test_beside_a_decided_step_is_the_reason_of_the_decision(self, university_of_three: Small) -> None:
        words = ("--as", "librarian", "--reason", "数据有误")
        university_of_three.run("override", "set", OWES, "library", "cleared", *words)
        (line,) = (s for s in university_of_three.run("status", OWES).splitlines() if "(library)" in s)
        assert line.split()[1:] == ["(library)", "cleared", "数据有误", *line.split()[4:6], "by", "librarian"]
        # Who is held by a person is held for that person's reason; what is owed stays to be seen.
        university_of_three.run("override", "set", OWES, "library", "held", *words)
        (line,) = (s for s in university_of_three.run("status", OWES).splitlines() if "(library)" in s)
        assert line.split()[2:5] == ["held", "数据有误", "构造地质学"]


class TestTheCommandItself:
    def test_it_states_its_version(self, university_of_three: Small) -> None:
        assert university_of_three.run("--version") == f"clearance {program_version()}\n"

    def test_a_shell_completes_commands_options_sources_steps_and_cohorts(self, university_of_three: Small) -> None:
        def completed(*words: str) -> list[str]:
            line = ["clearance", "-c", str(university_of_three.file), *words]
            ended = university_of_three.ended(
                COMP_WORDS=" ".join(line), COMP_CWORD=str(len(line) - 1), _CLEARANCE_COMPLETE="complete_bash"
            )
            return ended.out.split()

        assert completed("st") == ["status"]
        assert completed("runs", "re") == ["reject", "revert"]
        assert completed("demo", "a") == ["advance"]
        assert completed("sync", "--j") == ["--json"]
        assert completed("sync", "f") == ["fines", "fees"]
        assert completed("override", "set", OWES, "l") == ["library"]
        assert completed("--cohort", "") == ["2019"]
        # A settings file that cannot be read completes nothing, and fails nothing.
        university_of_three.file.write_text("[[", encoding="utf-8")
        assert completed("--cohort", "") == []

    def test_completion_is_shown_for_the_shells_people_use(self, university_of_three: Small) -> None:
        for shell in ("zsh", "fish"):
            assert "_CLEARANCE_COMPLETE" in university_of_three.run(_CLEARANCE_COMPLETE=f"source_{shell}")
        assert "not supported" in university_of_three.run(_CLEARANCE_COMPLETE="source_abc", code=1)
        assert "--show-completion" in university_of_three.run("--help")

    def test_what_no_one_expected_ends_in_a_sentence_and_is_kept_for_the_maintainers(
        self, university_of_three: Small, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        def fails(*_: object, **__: object) -> None:
            raise LookupError("the-word-of-the-database")

        monkeypatch.setattr(tables, "table", fails)
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        said = university_of_three.run("sources", code=1)
        (kept,) = tmp_path.iterdir()
        assert f"Its details are in {kept}." in said
        assert kept.name.split("-")[1] in said.split(":")[0]
        assert "the-word-of-the-database" not in said
        assert "the-word-of-the-database" in kept.read_text(encoding="utf-8")
        assert kept.stat().st_mode & 0o777 == 0o600

    def test_a_password_that_is_no_text_is_refused(self, university_of_three: Small) -> None:
        words = ("accounts", "add", "guard", "--name", "门卫", "--password-from-input")
        for typed in ("\udcc3( unrelated words here\n", "a\x1b[Aunrelated words here\n"):
            ended = university_of_three.ended(*words, stdin=typed)
            assert ended.code == 1
            assert ended.err.endswith("Use UTF-8.\n")

    def test_a_user_whom_the_system_has_no_name_for_is_named_by_number(
        self, university_of_three: Small, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unknown(_uid: int) -> NoReturn:
            raise KeyError("getpwuid(): uid not found")

        monkeypatch.setattr(pwd, "getpwuid", unknown)
        university_of_three.run("sync", "fines", USER="")
        assert university_of_three.json("runs", "list")[0]["by"] == f"uid {os.getuid()}"
        university_of_three.run("sync", "fines", USER="长" * 300)
        assert university_of_three.json("runs", "list")[0]["by"] == "长" * 100

    def test_an_output_that_takes_no_more_is_named(self, university_of_three: Small) -> None:
        with open(os.devnull.replace("null", "full"), "wb") as full:  # noqa: PTH123 - a device
            process = subprocess.run(
                [sys.executable, "-m", "clearance", "--config", university_of_three.file, "sources"],
                env=university_of_three.environ,
                stdout=full,
                stderr=subprocess.PIPE,
            )
        assert process.returncode == 1
        assert process.stderr.startswith(b"The output could not be written")
