"""The units of systemd: each command, key and path that they name is one of the program, and each is hardened."""

import configparser
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup
from typer.main import get_command

from clearance.main import app
from clearance.settings_file import load_settings
from config.processes import Process, missing
from tests.services.university import COMMAND, ROOT

UNITS = ROOT / "deploy" / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
TIMERS = sorted(UNITS.glob("*.timer"))
PROGRAM = "/opt/clearance/.venv/bin/clearance"

#: The processes of the program, and their units. What a unit must be given is what `config.processes` says.
PROCESSES = {
    "clearance-schedule": Process.SCHEDULE,
    "clearance-pages": Process.PAGES,
    "clearance-desk": Process.DESK,
    "clearance-verify": Process.SYNC,
    "clearance-retention": Process.SCHEDULE,
    "clearance-backup": Process.SYNC,
    "clearance-up": Process.ALL,
}

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze: apt-get install systemd"
)


class Unit:
    """One unit with its drop-ins, as systemd merges them."""

    def __init__(self, file: Path) -> None:
        self.name = file.stem
        self.values: dict[str, list[str]] = {}
        own = sorted((file.parent / f"{file.name}.d").glob("*.conf"))
        shared = sorted((UNITS / "clearance-.service.d").glob("*.conf")) if file.suffix == ".service" else []
        for part in (file, *shared, *own):
            for line in part.read_text(encoding="utf-8").splitlines():
                key, equals, value = line.partition("=")
                if equals and not line.startswith("#"):
                    self.values.setdefault(key, []).append(value)

    def one(self, key: str) -> str:
        """Return the value of a key that is there once."""
        (value,) = self.values[key]
        return value

    def environment(self, credentials: Path, state: Path) -> dict[str, str]:
        """Return the variables of its process, with these folders for %d and %S."""
        lines = self.values.get("Environment", [])
        return dict(line.replace("%d", str(credentials)).replace("%S", str(state)).split("=", 1) for line in lines)


def all_units() -> Iterator[Unit]:
    """Yield each service."""
    for file in SERVICES:
        yield Unit(file)


every_service = pytest.mark.parametrize("unit", list(all_units()), ids=lambda unit: unit.name)


def parsed(words: list[str]) -> str:
    """Parse a command line of the program without running it; return its command. Raises for what it does not have."""
    command, name = get_command(app), "clearance"
    context = typer.Context(command, info_name=name)
    names = list[str]()
    while isinstance(command, TyperGroup):
        name, *words = words
        found = command.get_command(context, name)
        assert found is not None, f"there is no command {name}"
        command, context = found, typer.Context(found, info_name=name, parent=context)
        names.append(name)
    command.parse_args(context, words)
    return " ".join(names)


def test_there_is_a_unit_for_each_process_and_each_timer_has_its_own() -> None:
    assert {file.stem for file in SERVICES} == set(PROCESSES)
    assert {file.stem for file in TIMERS} <= {file.stem for file in SERVICES}
    assert {file.stem.removeprefix("clearance-") for file in TIMERS} == {"backup", "verify", "retention"}


@every_service
def test_it_runs_a_command_of_the_program_with_options_that_it_has(unit: Unit) -> None:
    path, *words = shlex.split(unit.one("ExecStart"))
    assert path == PROGRAM
    command = parsed(words)
    expected = {"clearance-pages": "serve", "clearance-desk": "serve"}.get(unit.name, unit.name.partition("-")[2])
    assert command == expected


def test_a_command_that_is_not_there_would_be_noticed() -> None:
    with pytest.raises(AssertionError, match="there is no command"):
        parsed(["shedule"])
    with pytest.raises(Exception, match="No such option"):
        parsed(["serve", "pages", "--prot", "8000"])


@every_service
def test_its_process_is_given_all_that_it_needs_and_nothing_of_another_one(
    unit: Unit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [line.split(":", 1) for line in unit.values["LoadCredential"]]
    for name, _ in given:
        (tmp_path / name).write_text(f"postgresql+psycopg://{name}:x@127.0.0.1/clearance\n")
    environ = unit.environment(tmp_path, tmp_path / "state")
    for name in [name for name in os.environ if name.startswith("CLEARANCE")]:
        monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(ROOT / "deploy" / "clearance.toml")
    assert missing(settings, PROCESSES[unit.name]) == []
    role = unit.one("User").removeprefix("clearance-")
    assert {path for _, path in given} <= {f"/etc/clearance/{role}/db", f"/etc/clearance/{role}/desk-db"}
    assert settings.status_db.url.reveal() == "postgresql+psycopg://db:x@127.0.0.1/clearance"
    keys = {settings.portal.key_file, settings.status_db.ledger_key_file}
    home = tmp_path / "state" / f"clearance-{role}"
    assert settings.portal.key_file == home / "desk.key"
    if unit.name == "clearance-pages":
        assert "CLEARANCE__STATUS_DB__LEDGER_KEY_FILE" not in environ
    else:
        assert keys == {home / "desk.key", home / "ledger.key"}


@every_service
def test_its_user_and_its_folders_are_made_by_the_files_beside_it(unit: Unit) -> None:
    users = re.findall(r"^u (\S+)", (UNITS / "clearance.sysusers.conf").read_text(encoding="utf-8"), re.MULTILINE)
    folders = re.findall(r"^d (\S+)", (UNITS / "clearance.tmpfiles.conf").read_text(encoding="utf-8"), re.MULTILINE)
    user = unit.one("User")
    assert user in users
    assert unit.one("StateDirectory") == user
    assert unit.one("WorkingDirectory") == f"/var/lib/{user}"
    assert unit.one("WorkingDirectory") in folders
    assert {str(Path(line.split(":", 1)[1]).parent) for line in unit.values["LoadCredential"]} <= set(folders)
    assert set(unit.values.get("ReadWritePaths", [])) <= set(folders)


@every_service
def test_a_process_that_stays_reports_to_systemd_and_is_stopped_within_its_own_bound(unit: Unit) -> None:
    if unit.one("Type") == "oneshot":
        assert "WatchdogSec" not in unit.values
        return
    assert unit.one("Type") == "notify"
    assert int(unit.one("WatchdogSec")) >= 60
    # `up` kills its children after 45 s; granian kills its workers after 20 s.
    assert int(unit.one("TimeoutStopSec")) > 45
    assert unit.one("Restart") == "always"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units as systemd finds them, with the program at its place here."""
    folder = tmp_path / "units"
    shutil.copytree(UNITS, folder, ignore=shutil.ignore_patterns("*.sysusers.conf", "*.tmpfiles.conf"))
    for file in folder.glob("*.service"):
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace(PROGRAM, str(COMMAND)), encoding="utf-8")
    return folder


def analyze(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze with the units of a folder before the system's own."""
    environ = {"PATH": os.environ["PATH"], "SYSTEMD_UNIT_PATH": f"{folder}:", "SYSTEMD_COLORS": "0"}
    return subprocess.run(
        ["systemd-analyze", *words], env=environ, check=False, capture_output=True, text=True, timeout=120
    )


@needs_systemd
def test_systemd_finds_no_fault_in_them(installed: Path) -> None:
    units = [str(file) for pattern in ("*.service", "*.timer", "*.target") for file in installed.glob(pattern)]
    ended = analyze(installed, "verify", *units)
    ours = [line for line in (ended.stdout + ended.stderr).splitlines() if "clearance" in line]
    assert ours == []


@needs_systemd
def test_systemd_makes_every_user_in_an_empty_root(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    file = UNITS / "clearance.sysusers.conf"
    ended = subprocess.run(
        ["systemd-sysusers", f"--root={tmp_path}", "-"],
        input=file.read_text(encoding="utf-8"), check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "not a valid" not in ended.stderr
    made = {line.split(":")[0] for line in (tmp_path / "etc" / "passwd").read_text(encoding="utf-8").splitlines()}
    assert made == {"clearance-sync", "clearance-pages", "clearance-desk", "clearance-owner"}


def test_the_one_service_starts_after_those_in_whose_place_it_runs() -> None:
    unit = (UNITS / "clearance-up.service").read_text(encoding="utf-8")
    (conflicts,), (after,) = (re.findall(rf"^{key}=(.+)$", unit, re.MULTILINE) for key in ("Conflicts", "After"))
    assert set(conflicts.split()) <= set(after.split())


@needs_systemd
def test_systemd_notices_a_wrong_key(installed: Path) -> None:
    file = installed / "clearance-pages.service"
    file.write_text(file.read_text(encoding="utf-8") + "\n[Service]\nWatchDogSecs=1\n", encoding="utf-8")
    assert "WatchDogSecs" in analyze(installed, "verify", str(file)).stderr


@needs_systemd
@every_service
def test_systemd_rates_its_exposure_ok(installed: Path, unit: Unit) -> None:
    ended = analyze(installed, "security", "--offline=yes", str(installed / f"{unit.name}.service"))
    last = ended.stdout.strip().splitlines()[-1]
    found = re.search(r"exposure level for \S+: ([\d.]+) (\w+)", last)
    assert found, last
    assert (found[2], float(found[1]) < 2) == ("OK", True)


def test_the_helper_for_commands_knows_each_role() -> None:
    text = (ROOT / "deploy" / "bin" / "clearance-as").read_text(encoding="utf-8")
    subprocess.run(["sh", "-n", str(ROOT / "deploy" / "bin" / "clearance-as")], check=True)
    users = re.findall(r"^u clearance-(\S+)", (UNITS / "clearance.sysusers.conf").read_text(), re.MULTILINE)
    (roles,) = re.findall(r"^  (\w+(?: \| \w+)+)\) shift", text, re.MULTILINE)
    assert sorted(roles.split(" | ")) == sorted(users)
    for words in re.findall(r"^#   clearance-as \w+ ((?:[\w-]+ ?)+?)  ", text, re.MULTILINE):
        assert parsed(words.split())
    names = set(re.findall(r"CLEARANCE__\w+", text))
    given = {name for unit in all_units() for name in unit.environment(Path(), Path()) if "__" in name}
    assert names == given - {"CLEARANCE__LOG__FORMAT"}, "a command prints for people"
    refused = subprocess.run([ROOT / "deploy" / "bin" / "clearance-as", "check"], check=False, capture_output=True)
    assert refused.returncode == 2


def test_a_timer_names_a_time_that_systemd_reads() -> None:
    for file in TIMERS:
        parser = configparser.ConfigParser()
        parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys as they are written
        parser.read(file, encoding="utf-8")
        assert parser["Timer"]["OnCalendar"]
        assert parser["Timer"]["Persistent"] == "yes", "a slot that the machine slept through is made up for"
