"""The documents say what is so: every command, target, key, path and example they name is looked up or run."""

import re
import shlex
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel

from clearance.main import app
from clearance.settings_file import schema_of
from config.load import load
from config.tables.cohorts import Cohort
from config.tables.secrets import Origin
from config.tables.sources import Source
from config.tables.steps import Flow, Step
from connectors.port import ProofKind, Question
from foundation.translation import LANGUAGES
from status_db.model import RunState
from supply.reference import settings_page
from supply.reference.settings_page import TABLES
from tests.catalogue import page_texts
from tests.contract import Ticking
from tests.services.university import ROOT

#: A template becomes a document when it is copied, and is looked at then.
_OF_DOCS = [path for path in sorted((ROOT / "docs").rglob("*.md")) if "templates" not in path.parts]
DOCUMENTS = [*(ROOT / f"{name}.md" for name in ("README", "README.zh", "CONTRIBUTING", "CHANGELOG")), *_OF_DOCS]
#: The Chinese reference is written from the code.
CHINESE = [
    path for path in DOCUMENTS if path.name == "README.zh.md" or ("zh" in path.parts and "reference" not in path.parts)
]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")

named = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
in_chinese = pytest.mark.parametrize("document", CHINESE, ids=lambda path: path.relative_to(ROOT).as_posix())


def blocks(document: Path, language: str) -> list[str]:
    """Return a document's examples in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def indented_blocks(document: Path, language: str) -> list[str]:
    """Return a document's examples in one language, those inside of lists too."""
    text = document.read_text(encoding="utf-8")
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```", text, re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(block) for _, block in found]


def commands() -> Iterator[tuple[str, list[str]]]:
    """Give each command line of the documents, with the document's name."""
    for document in DOCUMENTS:
        inline = re.findall(r"`((?:make|clearance) [^`]+)`", document.read_text(encoding="utf-8"))
        lines = [line for block in indented_blocks(document, "sh") for line in block.splitlines() if line.strip()]
        for line in [*lines, *inline]:
            yield f"{document.name}: {line}", shlex.split(line.replace("…", "x"), comments=True)


COMMANDS = dict(commands())


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS.keys())
def test_every_command_exists_with_its_options(words: list[str]) -> None:
    if words[0] == "make":
        target = next(word for word in words[1:] if "=" not in word)
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target
        for name in (word.partition("=")[0] for word in words[1:] if "=" in word):
            assert f"$({name})" in MAKEFILE or f"$(if $({name})" in MAKEFILE, name
        return
    if words[0].endswith("python"):
        # A module of this repository, as `python -m` takes it.
        assert words[1] == "-m"
        module = ROOT.joinpath(*words[2].split(".")).with_suffix(".py").read_text(encoding="utf-8")
        assert "__main__" in module
        assert all(f'"{option}"' in module for option in words[3:] if option.startswith("-"))
        return
    assert words[0].endswith("clearance")
    command: Any = typer.main.get_command(app)
    rest = words[1:]
    while True:
        options = {name: option for option in command.params for name in (*option.opts, *option.secondary_opts)}
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        given = 0
        while rest and (rest[0].startswith("-") or not hasattr(command, "commands")):
            word = rest.pop(0)
            if not word.startswith("-"):
                given += 1
                assert any(a.nargs == -1 for a in arguments) or given <= len(arguments), word
                continue
            assert word in options, f"{command.name} has no {word}"
            if not options[word].is_flag:
                assert rest, f"{word} needs a value"
                rest.pop(0)
        if not rest:
            return
        assert rest[0] in command.commands, f"there is no command {rest[0]}"
        command = command.commands[rest.pop(0)]


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_the_readme_names_the_two_commands(name: str) -> None:
    readme = (ROOT / name).read_text(encoding="utf-8")
    assert "make demo" in readme
    assert "make test" in readme


@named
def test_every_link_leads_somewhere(document: Path) -> None:
    prose = re.sub(r"^( *)```.*?^\1```", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", prose):
        assert (document.parent / target).exists(), target


@named
def test_every_file_and_folder_named_is_there(document: Path) -> None:
    rooms = "clearance|config|connectors|foundation|sync|status_db|portal|demo|tests|benchmarks|docs"
    for path in re.findall(rf"`((?:{rooms})/[\w/.\-]*)`", document.read_text(encoding="utf-8")):
        if path != "connectors/folder.py":
            assert (ROOT / path).exists(), path


@named
def test_every_function_named_beside_its_file_is_there(document: Path) -> None:
    rooms = "clearance|config|connectors|sync|status_db|portal|foundation|demo"
    text = document.read_text(encoding="utf-8")
    for path, name in re.findall(rf"`((?:{rooms})/[\w/]+\.py)`, `(\w+)`", text):
        assert re.search(rf"\b{name}\b", (ROOT / path).read_text(encoding="utf-8")), f"{path}: {name}"


EXAMPLES = [
    pytest.param(model, table, id=f"{document.relative_to(ROOT).as_posix()} {table['key']}")
    for document in DOCUMENTS
    for block in indented_blocks(document, "toml")
    for name, model in (("step", Step), ("cohort", Cohort), ("flow", Flow))
    for table in tomllib.loads(block).get(name, [])
]


@pytest.mark.parametrize(("model", "table"), EXAMPLES)
def test_every_example_of_a_step_a_cohort_and_a_flow_is_one_that_loads(
    model: type[BaseModel], table: dict[str, Any]
) -> None:
    model.model_validate(table)


SOURCES = [
    pytest.param(name, table, id=f"{document.name} {name}")
    for document in DOCUMENTS
    for block in blocks(document, "toml")
    for name, table in tomllib.loads(block).get("source", {}).items()
]


@pytest.mark.parametrize(("name", "table"), SOURCES)
def test_every_example_of_a_source_is_one_that_loads(name: str, table: dict[str, Any], tmp_path: Path) -> None:
    own = {key: table.pop(key) for key in list(table) if key not in Source.model_fields}
    schema = schema_of(table["connector"])
    defaults: dict[str, str] = getattr(schema, "default_columns", lambda _: {})(own)
    Source.model_validate({"columns": defaults, **table, "own": None})
    if table["connector"] == "folder":
        return
    assert schema is not None
    addresses = {
        name: f"sqlite:///{name}.db" for name in ("LIBRARY_URL", "FINANCE_URL", "TEXTBOOK_URL", "KOHA_URL", "DORM_URL")
    }
    everything = _Everything(addresses)
    (tmp_path / "secret").write_text("word\n", encoding="ascii")
    schema.model_validate(_near(own, tmp_path), context=Origin(tmp_path, everything))


class _Everything(dict[str, str]):
    """An environment in which every variable is set."""

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key, "set")


def _near(value: Any, folder: Path) -> Any:
    """Have every `file:` of an example name a file that is there."""
    if isinstance(value, dict):
        return {key: _near(inner, folder) for key, inner in value.items()}
    return f"file:{folder / 'secret'}" if isinstance(value, str) and value.startswith("file:") else value


def documented(text: str) -> set[str]:
    """Return the keys that a piece of a document has in the first column of its tables."""
    rows = re.findall(r"^\| (`[^|]+`) \|", text, re.MULTILINE)
    return {key for row in rows for key in re.findall(r"`([\w.]+)`", row)}


@pytest.mark.parametrize(
    "connector",
    sorted(
        # The page of `rest` has its keys in several tables.
        file.stem
        for file in (ROOT / "connectors").glob("*.py")
        if file.stem != "rest" and schema_of(file.stem) is not None
    ),
)
def test_a_connectors_page_reports_every_key_and_no_other(connector: str) -> None:
    text = (ROOT / "docs" / "connectors" / f"{connector}.md").read_text(encoding="utf-8")
    schema = schema_of(connector)
    assert schema is not None
    assert documented(text) == set(schema.model_fields)


def words_of_the_program() -> set[str]:
    """Return the keys, connectors, commands, states of runs and languages that a Chinese document may name."""
    connector_names = [path.stem for path in (ROOT / "connectors").glob("*.py") if schema_of(path.stem)]
    schemas = [schema for name in connector_names if (schema := schema_of(name))]
    keys = {key for model in TABLES.values() for key in settings_page.keys(model)}
    groups: Any = typer.main.get_command(app)
    commands = set(groups.commands).union(*(getattr(group, "commands", ()) for group in groups.commands.values()))
    own_keys = {key for schema in schemas for key in schema.model_fields}
    return {*keys, *own_keys, *connector_names, *commands, *RunState, *LANGUAGES, "true", "false", "clearance"}


@in_chinese
def test_a_chinese_document_names_only_keys_commands_and_tables_that_exist(document: Path) -> None:
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`([^`\n]+)`", text)
    known = words_of_the_program() | {"student", "pg_dump", "pg_restore", "psql"}
    if "connectors" in document.parts:
        # A connector's own keys, and the names in the office's system, are those of the English page.
        english = ROOT / "docs" / document.relative_to(ROOT / "docs" / "zh")
        known |= set(re.findall(r"[a-z][a-z_\-]*", english.read_text(encoding="utf-8")))
    assert {word for word in inline if re.fullmatch(r"[a-z][a-z_\-]*", word)} <= known
    # With several cohorts, each roster has a table of its own.
    tables = {re.sub(r"^\[roster\.\w+\]$", "[roster]", word) for word in inline if re.match(r"\[+[a-z]", word)}
    assert tables - set(TABLES) == set()


def test_the_first_settings_file_in_chinese_loads(tmp_path: Path) -> None:
    first, *_ = blocks(ROOT / "docs" / "zh" / "settings.md", "toml")
    file = tmp_path / "clearance.toml"
    file.write_text(first, encoding="utf-8")
    loaded = load(file, schema_of, {"LIBRARY_URL": "sqlite:///library.db"})
    assert [step.key for step in loaded.step] == ["library", "final_review"]
    assert list(loaded.source) == ["loans"]


def test_the_chinese_page_of_runs_lists_every_way_that_a_run_ends() -> None:
    text = (ROOT / "docs" / "zh" / "running.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == set(RunState) - {RunState.RUNNING}


@pytest.mark.parametrize("name", ["desk.md", "running.md"])
def test_a_chinese_manual_names_only_labels_that_the_pages_have(name: str) -> None:
    text = (ROOT / "docs" / "zh" / name).read_text(encoding="utf-8")
    assert set(re.findall(r"\*\*(.+?)\*\*", text)) <= page_texts()


@pytest.mark.parametrize("proof", ["total_agrees", "end_reached", "second_pass_agrees", "columns_present"])
def test_the_proofs_named_are_ours(proof: str) -> None:
    assert proof in (ROOT / "docs" / "connectors.md").read_text(encoding="utf-8")
    assert proof in set(ProofKind)


def test_the_connector_shown_whole_works(tmp_path: Path) -> None:
    (code,) = blocks(ROOT / "docs" / "connectors.md", "python")
    module: dict[str, Any] = {"__name__": "folder"}
    exec(compile(code, "folder.py", "exec"), module)
    (tmp_path / "20151001.txt").write_text("资料室 204\nmore", encoding="utf-8")
    own = module["Settings"](path=tmp_path)
    connector = module["connect"](own, Question("keys", {"student": "number", "title": "line"}, Ticking()))
    assert list(connector.pull().rows) == [("20151001", "资料室 204")]
    assert connector.check().columns == ("number", "line")


@pytest.mark.parametrize("name", ["docs/reference/error-codes.md", "docs/zh/running.md"])
def test_the_exit_codes_listed_are_those_of_the_command(name: str) -> None:
    readme = (ROOT / name).read_text(encoding="utf-8")
    assert re.findall(r"^\| (\d) \|", readme, re.MULTILINE) == ["0", "1", "2", "3", "4", "5", "6"]


def test_every_connector_has_its_page_and_its_line_in_the_table_of_connectors() -> None:
    table = (ROOT / "docs" / "connectors.md").read_text(encoding="utf-8")
    modules = [path.stem for path in (ROOT / "connectors").glob("*.py")]
    for name in modules:
        if schema_of(name) is not None:
            assert f"| `{name}` |" in table, name
            assert (ROOT / "docs" / "connectors" / f"{name}.md").is_file(), name
