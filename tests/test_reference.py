"""The reference is current, and lacks no key, option, address or code."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from config.settings import Settings
from config.tables.providers import PROVIDERS
from supply.reference import codes_page, commands_page, languages, settings_page
from supply.reference.doc_comments import doc_comments
from supply.reference.markdown import links_from, table
from supply.reference.pages import PAGES, texts
from supply.reference.settings_page import TABLES
from tests.services.university import ROOT


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the pages as `make reference` does: a process of its own, because the tests may have another language."""
    folder = tmp_path_factory.mktemp("reference")
    code = f"from pathlib import Path; from supply.reference.pages import write; write(Path({str(folder)!r}))"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, env={"CLEARANCE_LANG": "en", "PYTHONUTF8": "1"})
    return folder


@pytest.mark.parametrize("page", [*PAGES, languages.FILE.relative_to(ROOT).as_posix()])
def test_every_page_is_current(page: str, made: Path) -> None:
    assert (ROOT / page).read_text(encoding="utf-8") == (made / page).read_text(encoding="utf-8"), "run: make reference"


def models(of: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield every model that a settings table contains."""
    for info in of.model_fields.values():
        for each in inside(info.annotation):
            yield each
            yield from models(each)


def inside(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for each in getattr(annotation, "__args__", ()):
        yield from inside(each)


def test_every_table_of_the_settings_file_is_on_the_page() -> None:
    # Hours and days are written as a text; their models are no tables of the file.
    written_as_text = {"Hours", "Days"}
    found = {each.__name__ for each in models(Settings)} - written_as_text
    assert found == {each.__name__ for each in TABLES.values()}
    assert set(PROVIDERS.values()) <= set(TABLES.values())


@pytest.mark.parametrize("name", TABLES)
def test_every_key_of_the_settings_file_is_on_the_page(name: str) -> None:
    page = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    piece = page.split(f"# `{name}`\n", 1)[1].split("\n#", 1)[0]
    model = TABLES[name]
    assert doc_comments(model).keys() >= settings_page.keys(model).keys()
    for key in settings_page.keys(model):
        assert f"\n| `{key}` |" in piece, key


def test_every_key_that_the_page_leaves_out_is_one_that_a_file_cannot_set() -> None:
    left_out = {key for model in TABLES.values() for key in model.model_fields} & settings_page.NO_KEYS
    assert left_out == settings_page.NO_KEYS


def test_every_command_and_every_option_is_on_the_page() -> None:
    page = (ROOT / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
    found = list(commands_page.commands())
    assert len(found) > 50
    for path, command in found:
        piece = page.split(f"# `{' '.join(path)}`\n", 1)[1].split("\n#", 1)[0]
        for option in (each for each in command.params if each.param_type_name == "option" and not each.hidden):
            assert any(f"`{name}`" in piece for name in option.opts) or "completion" in option.opts[0], option.opts


@pytest.mark.parametrize("family", codes_page.families(), ids=lambda family: str(family.__name__))
def test_every_code_of_a_refusal_has_its_meaning_in_the_code(family: type) -> None:
    codes = codes_page.codes_of(family)
    assert {each.name for each in codes} == {name for name, text in doc_comments(codes).items() if text}


def test_the_catalogue_of_the_reference_translates_every_text_and_no_other() -> None:
    assert languages.untranslated() == []
    assert set(languages.chinese().own) == set(texts())


def test_a_link_leads_to_the_same_document_from_every_folder() -> None:
    text = "[a](running.md#x), [b](https://example.edu/), [c](#y)"
    assert links_from("reference", text) == "[a](../running.md#x), [b](https://example.edu/), [c](#y)"
    assert links_from("zh/reference", text).startswith("[a](../../running.md#x)")


def test_a_cell_is_one_line_whatever_its_text_contains() -> None:
    assert table(("a", "b"), [("x | y", "two\nlines"), ("", "z")]).splitlines() == [
        "| a | b |",
        "|---|---|",
        r"| x \| y | two lines |",
        "| | z |",
    ]
