"""The catalogues: Babel extracts every text of the pages, and each has a translation."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po
from hatchling.builders.wheel import WheelBuilder
from jinja2 import Environment

from portal.i18n import languages
from supply import messages
from tests.services.university import ROOT

CHINESE = re.compile(r"[\u4e00-\u9fff]")

#: Chinese that is the same in every language.
NOT_TRANSLATED: Mapping[str, str] = {
    # How Chinese writes its name, dates and amounts.
    "portal/i18n/languages.py": r"中文|[年月日元 ]+",
    # Family names of two characters.
    "portal/present/masking.py": r"[\u4e00-\u9fff]+",
    # Dates as offices write them, and a column of older templates.
    "portal/desk/imports/results.py": r"\(\\d.*|办理原因",
    # A host that belongs to no institution has no language: the text is in both.
    "portal/by_host.py": r"There are no pages at this address\.\n此地址没有网页。\n",
    # Files that a command of the operator writes.
    "portal/documents/paper_nights.py": r"按环节|按班级|空白单\.pdf",
}


@pytest.fixture(scope="module")
def template() -> Catalog:
    return messages.extract("en")


@pytest.fixture(scope="module", params=list(messages.CATALOGUES))
def code(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def used(code: str) -> Catalog:
    return messages.extract(code)


@pytest.fixture(scope="module")
def catalogue(code: str) -> Catalog:
    return messages.read(ROOT / messages.CATALOGUES[code])


def test_every_text_has_a_translation(used: Catalog, catalogue: Catalog) -> None:
    assert len(used) > 100
    assert messages.missing(used, catalogue) == []


def test_every_translation_is_of_a_text_that_is_used(used: Catalog, catalogue: Catalog) -> None:
    assert messages.dead(used, catalogue) == []


def test_no_translation_is_a_guess(catalogue: Catalog) -> None:
    assert messages.fuzzy(catalogue) == []


def test_every_translation_has_the_placeholders_of_its_text(catalogue: Catalog) -> None:
    assert messages.faulty(catalogue) == []


@pytest.mark.parametrize("compiled", messages.COMPILED)
def test_the_compiled_catalogue_is_current(compiled: str) -> None:
    current = messages.compiled(messages.read(ROOT / messages.CATALOGUES[compiled]))
    assert messages.compiled_file(compiled).read_bytes() == current, "run: make messages"


def test_babel_extracts_each_chinese_text_where_it_is_written(template: Catalog) -> None:
    """Also where the same text is extracted elsewhere; Babel sees none inside an f-string before Python 3.12."""
    extracted = {(place, text) for message in template for place, _ in message.locations for text in _texts(message.id)}
    overlooked = []
    for file in (*(ROOT / "portal").rglob("*.py"), *(ROOT / "portal" / "templates").rglob("*.html")):
        place, source = file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8")
        for text in _literals(source) if file.suffix == ".py" else _in_template(source):
            translated = not re.fullmatch(NOT_TRANSLATED.get(place, "(?!)"), text)
            if CHINESE.search(text) and translated and (place, text) not in extracted:
                overlooked.append((place, text))
    assert overlooked == []


def _texts(found: str | list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return (found,) if isinstance(found, str) else tuple(found)


def _literals(source: str) -> Iterator[str]:
    nodes = list(ast.walk(ast.parse(source)))
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def _in_template(source: str) -> Iterator[str]:
    for _, kind, text in Environment(autoescape=True).lex(source):
        if kind == "string":
            yield text[1:-1]
        elif kind == "data":
            yield text.strip()


class TestACatalogueThatIsNotRight:
    @pytest.fixture
    def two(self) -> Catalog:
        template = Catalog()
        template.add("名单", flags=())
        template.add(("还有 %(num)s 项", "还有 %(num)s 项"), flags=("python-format",))
        return template

    @pytest.fixture
    def right(self) -> Catalog:
        catalogue = Catalog(locale="en")
        catalogue.add("名单", "List")
        catalogue.add(("还有 %(num)s 项", "还有 %(num)s 项"), ("%(num)s thing left", "%(num)s things left"))
        return catalogue

    def test_nothing_is_found_in_one_that_is_right(self, two: Catalog, right: Catalog) -> None:
        found = (messages.missing(two, right), messages.dead(two, right), messages.fuzzy(right), messages.faulty(right))
        assert found == ([], [], [], [])

    def test_a_text_without_a_translation_is_missing(self, two: Catalog, right: Catalog) -> None:
        right["名单"].string = ""
        assert messages.missing(two, right) == ["名单"]
        del right["名单"]
        assert messages.missing(two, right) == ["名单"]

    def test_a_text_without_its_plural_is_missing(self, two: Catalog, right: Catalog) -> None:
        right["还有 %(num)s 项"].string = ("%(num)s thing left", "")
        assert messages.missing(two, right) == ["还有 %(num)s 项"]

    def test_a_translation_that_is_used_no_longer_is_dead(self, two: Catalog, right: Catalog) -> None:
        right.add("旧名单", "Old list")
        assert messages.dead(two, right) == ["旧名单"]

    def test_a_translation_that_is_commented_out_is_dead(self, two: Catalog, right: Catalog) -> None:
        right.add("旧名单", "Old list")
        right.update(two, no_fuzzy_matching=True)
        assert messages.dead(two, right) == ["旧名单"]

    def test_a_guess_is_fuzzy(self, right: Catalog) -> None:
        right["名单"].flags.add("fuzzy")
        assert messages.fuzzy(right) == ["名单"]

    @pytest.mark.parametrize(
        "strings",
        [
            ("%(number)s thing left", "%(number)s things left"),
            ("one thing left", "%(num)s things left"),
            ("%(num)s thing left", "%(num)s of %(all)s things left"),
            ("%(num)s thing left", "%(num)d things left"),
            "%(num)s things left",
        ],
        ids=["renamed", "left out", "too many", "of another kind", "one form of two"],
    )
    def test_other_placeholders_are_faulty(self, right: Catalog, strings: str | tuple[str, str]) -> None:
        right["还有 %(num)s 项"].string = strings
        assert messages.faulty(right) == ["还有 %(num)s 项"]


def test_an_update_lists_what_is_new_dead_fuzzy_and_faulty_and_keeps_the_rest(tmp_path: Path) -> None:
    catalogue = Catalog(locale="en")
    catalogue.add("名单", "List")
    catalogue.add("还没有数据，请稍后再试。", "No data yet. Try again.")
    catalogue.add("楼栋", "Building")
    catalogue.add("%(num)s 个班", "%(count)s classes")
    file = tmp_path / "portal" / "locale" / "en" / "LC_MESSAGES" / "messages.po"
    file.parent.mkdir(parents=True)
    with file.open("wb") as opened:
        write_po(opened, catalogue)
    page = tmp_path / "portal" / "page.py"
    page.write_text(
        'N_("名单"), N_("还没有数据，请稍后再来。"), gettext("证书"), N_("%(num)s 个班")\n', encoding="utf-8"
    )

    found = messages.update("en", tmp_path)
    assert list(found.lines()) == [
        "  1 new, 2 dead, 1 fuzzy, 1 faulty",
        "  new: 证书",
        "  dead: 还没有数据，请稍后再试。",
        "  dead: 楼栋",
        "  fuzzy: 还没有数据，请稍后再来。",
        "  faulty: %(num)s 个班",
    ]
    written = file.read_text(encoding="utf-8")
    assert '#: portal/page.py\nmsgid "名单"\nmsgstr "List"\n' in written
    assert "楼栋" not in written

    assert messages.update("en", tmp_path).dead == []
    assert file.read_text(encoding="utf-8") == written


def test_a_guess_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path, monkeypatch, "en", '#, fuzzy\nmsgid "名单"\nmsgstr "Last"\n\nmsgid "证书"\nmsgstr "Certificate"\n')
    language = languages.load(["en"], ZoneInfo("Asia/Shanghai"))["en"]
    assert (language.gettext("名单"), language.gettext("证书")) == ("名单", "Certificate")


def test_a_chinese_catalogue_may_stand_beside_the_english_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path, monkeypatch, "zh", 'msgid "Stopped."\nmsgstr "已停止。"\n')
    language = languages.load(["zh"], ZoneInfo("Asia/Shanghai"))["zh"]
    assert (language.gettext("Stopped."), language.gettext("名单")) == ("已停止。", "名单")


def _write(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str, text: str) -> None:
    monkeypatch.setattr(languages, "LOCALE", folder)
    file = languages.catalogue_file(code)
    file.parent.mkdir(parents=True)
    file.write_text(f'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\n{text}', encoding="utf-8")


def test_the_wheel_holds_the_catalogues() -> None:
    held = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    assert {file.relative_to(ROOT).as_posix() for file in languages.LOCALE.rglob("*.po")} <= held
    assert languages.catalogue_file("en").relative_to(ROOT).as_posix() in held
    assert {messages.compiled_file(code).relative_to(ROOT).as_posix() for code in messages.COMPILED} <= held
