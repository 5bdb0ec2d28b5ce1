"""Whatever bytes a list is made of, it is read or refused, and no other error leaves the reader.

Here the reader runs in this process, so that thousands of files can be tried; what the sandbox adds is proved by its
own tests.
"""

import gc
import io
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.files import reader as lists_files
from connectors.files.sandbox import FileDescription, SandboxLimits, read_apart
from connectors.files.tables.table import ListAsked
from connectors.port import SourceError
from tests import sizes
from tests.cases.test_cases_files import HEAD, INPUTS, NAMES, ROW, TOP, TestNamedXls, page
from tests.services.libreoffice import converted

ASKED = ListAsked(
    named="fees: the list",
    settings_table="[source.fees]",
    columns=tuple(NAMES),
    sheet="",
    header_row=None,
    encoding="",
    delimiter="",
    most_unpacked=20_000_000,
    fields=("student", "title", "amount"),
)

#: The reader leaves its file to the end of its process.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    gc.collect()


QUICK = settings(
    max_examples=sizes.times(60),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def outcome(path: Path, content: bytes) -> str:
    """Read a file both ways; return how it ended. Any other error than a refusal fails the test."""
    path.write_bytes(content)
    said = ""
    for reader in (lists_files.read, lists_files.read_whole):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                said = f"{len(list(reader(path, ASKED)))} rows"
            except SourceError as error:
                said = error.fix_text
        assert said.endswith(("rows", ".")), said
    return said


def changed(whole: bytes, changes: list[tuple[int, int]], kept: int) -> bytes:
    """Return a file with some bytes written over, and cut after so many thousandths."""
    raw = bytearray(whole)
    for at, byte in changes:
        raw[at % len(raw)] = byte
    return bytes(raw[: len(raw) * kept // 1000])


CHANGES = st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=8)
KEPT = st.one_of(st.just(1000), st.integers(1, 1000))


@QUICK
@given(content=st.binary(max_size=600))
def test_bytes(tmp_path: Path, content: bytes) -> None:
    outcome(tmp_path / "a", content)


@QUICK
@given(
    start=st.sampled_from(
        [b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"<html>", b"<?xml ", b"<Workbook>", b"\xff\xfe", b"\xef\xbb\xbf"]
    ),
    content=st.binary(max_size=600),
)  # fmt: skip
def test_bytes_that_begin_as_a_list_does(tmp_path: Path, start: bytes, content: bytes) -> None:
    outcome(tmp_path / "a", start + content)


TEXT = st.text(st.sampled_from(list("2015,\t;|\"'=\n\r学号合计 .：-Ee\ufeff\0\ufffd")), max_size=80)


@QUICK
@given(body=TEXT, encoding=st.sampled_from(["utf-8", "gb18030", "utf-16"]))
def test_text_below_a_header(tmp_path: Path, body: str, encoding: str) -> None:
    outcome(tmp_path / "a", (HEAD + body).encode(encoding, "replace"))


MARKUP = st.lists(
    st.sampled_from(
        [TOP, ROW, "<table>", "</table>", "<tr>", "<td rowspan=99999>", "<td colspan=65534>", "<![if x]>", "<!--",
         "<style>", "</html>", "&#xD800;", "&#0;", "2015150001", "<td rowspan='-1'>", "<![CDATA[", "<!DOCTYPE",
         "<script>", "<th>"]
    ),
    max_size=14,
)  # fmt: skip


@QUICK
@given(parts=MARKUP)
def test_markup(tmp_path: Path, parts: list[str]) -> None:
    outcome(tmp_path / "a", page("".join(parts)))


@QUICK
@given(changes=CHANGES, kept=KEPT, name=st.sampled_from(sorted(path.name for path in INPUTS.iterdir())))
def test_cases_with_other_bytes(tmp_path: Path, changes: list[tuple[int, int]], kept: int, name: str) -> None:
    outcome(tmp_path / "a", changed((INPUTS / name).read_bytes(), changes, kept))


@QUICK
@given(changes=CHANGES, kept=KEPT)
def test_xml_with_other_bytes(tmp_path: Path, changes: list[tuple[int, int]], kept: int) -> None:
    outcome(tmp_path / "a", changed(TestNamedXls.XML.encode(), changes, kept))


def _workbook() -> dict[str, bytes]:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as made:
        sheet = made.add_worksheet()
        sheet.write_row(0, 0, NAMES)
        sheet.merge_range("A2:A3", 15150005, made.add_format({"num_format": "0000000000"}))
        sheet.write_row(1, 1, ["学费", 5])
        sheet.write_row(2, 1, ["书费", 6])
    with zipfile.ZipFile(file) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


PARTS = _workbook()


@QUICK
@given(
    part=st.sampled_from(sorted(name for name in PARTS if not name.startswith("docProps"))),
    changes=CHANGES,
    kept=KEPT,
)
def test_the_parts_of_a_workbook_with_other_bytes(
    tmp_path: Path, part: str, changes: list[tuple[int, int]], kept: int
) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for name, data in PARTS.items():
            packed.writestr(name, changed(data, changes, kept) if name == part else data)
    outcome(tmp_path / "a", file.getvalue())


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An old workbook, as LibreOffice writes one."""
    folder = tmp_path_factory.mktemp("office")
    (folder / "a.csv").write_text(HEAD + "2015150001,学费,5\n" * 20, encoding="utf-8")
    return converted([folder / "a.csv"], "xls", folder)[0].read_bytes()


@settings(QUICK, max_examples=sizes.times(15))
@given(changes=CHANGES, kept=KEPT)
def test_an_old_workbook_with_other_bytes_ends_in_its_own_process(
    tmp_path: Path, old: bytes, changes: list[tuple[int, int]], kept: int
) -> None:
    """What reads it is not written in Python: it may end its whole process, and that is a refusal too."""
    path = tmp_path / "a"
    path.write_bytes(changed(old, changes, kept))
    limits = SandboxLimits(memory=400_000_000, longest=timedelta(seconds=20), settings_table="[source.fees]")
    with suppress(SourceError):
        read_apart(
            lists_files.read, path, ASKED, limits=limits, file=FileDescription("fees: the list", "Export it again.")
        )
