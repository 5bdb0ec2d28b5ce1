"""The texts of the connectors are Chinese where the process is: the catalogue has all, and the command shows them."""

import ast
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import openpyxl
import pytest

from connectors.port import SourceGarbled, SourceRefused, SourceUnavailable
from foundation import translation
from tests.services.http_office import HttpOffice, as_json
from tests.services.one_answer import answering
from tests.services.university import ROOT

MODULES = sorted((ROOT / "connectors").rglob("*.py"))

#: Functions that give a text to the catalogue.
_TRANSLATED = frozenset({"tr", "tr_n", "N_"})

#: Two words of a sentence.
_WORDS = re.compile(r"[a-z']{2,},? [a-z'(]{2,}")

#: What is sent to a database or an office, or found in its answers.
_SENT = re.compile(
    r"\b(SELECT|SET|START|GRANT|SHOW|FROM|AND|WHERE|FOR|LOCK|CAST|REGEXP|GLOB|LIKE|ALTER)\b|</?\w+[ >]|\(\?|\\d|\.\*"
)

#: Words of drivers and servers that the code looks for, and texts that no person reads.
_NOT_SHOWN: Mapping[str, tuple[str, ...]] = {
    "by_student/sip2_service.py": (
        "block patron", "patron information", "patron status", "end of session", "fee paid", "item information",
        "item status update", "patron enable", "renew all",
    ),
    "databases/base.py": ("connect X",),
    "databases/mysql.py": ("getaddrinfo failed", "timed out", "service not known", "Connection refused", "No route"),
    "databases/oracle.py": ("already been initialized",),
    "databases/postgres.py": (
        "affected by row-level security", "password authentication", "no password", "SASL authentication",
        "could not translate host name", "Connection refused", "failed to resolve host", "timeout expired",
        "does not exist", "not permitted",
        "server closed the connection", "no pg_hba.conf",
    ),
    "databases/sqlite.py": (
        "is not a database", "unable to open", "no such table", "no such column", "syntax error", "not decode to",
    ),
    "databases/sqlserver.py": ("Lib error",),
    "files/sandbox.py": ("X.X is not a plain value", "import sys"),
    "files/tables/text.py": ("unexpected end",),
    "folio.py": ("sortBy id",),
    "http/client.py": ("the last try returns or raises",),
    "http/pages/reader.py": ("the last attempt returns or raises",),
    "http/tls.py": ("certificate is not", "certificate key too", "certificate file", "in violation", "SSL is required"),
    "http/unreached.py": ("Connection refused", "No route"),
    "sierra.py": ("own description", "own patron"),
}  # fmt: skip


def _written(node: ast.AST) -> str:
    """Return the text of a node with X for each value; empty for another node."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_written(part) if isinstance(part, ast.Constant) else "X" for part in parts)
        case _:
            return ""


def escaping(tree: ast.AST) -> Iterator[str]:
    """Yield the sentences in code that are not given to the catalogue, without docstrings and texts for programmers."""
    match tree:
        case ast.Expr(value=ast.Constant()) | ast.Compare():
            return
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=args, keywords=keywords) if (
            name in _TRANSLATED
        ):
            # A text among the values of a text counts on its own.
            for value in (*(arg for arg in args if not _written(arg)), *(word.value for word in keywords)):
                yield from escaping(value)
        case ast.Constant() | ast.JoinedStr() if _WORDS.search(text := _written(tree)) and not _SENT.search(text):
            yield text
        case _:
            for child in ast.iter_child_nodes(tree):
                yield from escaping(child)


@pytest.mark.parametrize("module", MODULES, ids=lambda file: file.relative_to(ROOT / "connectors").as_posix())
def test_no_sentence_of_a_connector_escapes_the_catalogue(module: Path) -> None:
    known = _NOT_SHOWN.get(module.relative_to(ROOT / "connectors").as_posix(), ())
    found = escaping(ast.parse(module.read_text(encoding="utf-8")))
    assert [text for text in found if not any(part in text for part in known)] == []


@pytest.mark.parametrize(
    "code",
    [
        'raise SourceRefused(f"{name} is not a file", tr("Correct path."))',
        'FIXES = {7: "The account is locked: have it unlocked."}',
        'tr("{what}. {fix}", what=tr("it is empty"), fix="Save it as .xlsx and try again.")',
        'def f():\n "Return a word."\n return "the settings file"',
    ],
)
def test_a_sentence_outside_the_catalogue_is_found(code: str) -> None:
    assert len(list(escaping(ast.parse(code)))) == 1


@pytest.mark.parametrize(
    "code",
    [
        'raise SourceRefused(tr("{name} is not a file", name=name), tr("Correct path."))',
        'FIXES = {7: N_("The account is locked: have it unlocked.")}',
        'if "connection is lost" in text: pass',
        'def f():\n "Return a word of the settings."',
        'execute("SELECT one FROM the_table")',
    ],
)
def test_other_texts_are_left_alone(code: str) -> None:
    assert list(escaping(ast.parse(code))) == []


#: A university whose sources are all wrong, each in its own way.
SETTINGS = """
[institution]
name = "山海大学"
timezone = "Asia/Shanghai"
[status_db]
url = "sqlite:///status.db"
ledger_key_file = "ledger.key"
[[cohort]]
key = "2019"
name = "2019届"
[roster]
connector = "memory"
rows = [{ number = "20151001", name = "张三", level = "本科生", college = "资源学院", class = "1班" }]
every = "1 d"
columns = { student = "number", name = "name", level = "level", college = "college", class = "class" }
levels = { "本科生" = "undergraduate" }
[[step]]
key = "library"
title = "图书馆"
office = { name = "图书馆", places = { "*" = { where = "一楼" } } }
[[flow]]
key = "undergraduate"
levels = ["undergraduate"]
entries = [{ step = "library" }]
"""

_ALIKE = 'step = "library"\nmeans = "items"\nevery = "30 min"\n'
_COLUMNS = 'columns = { student = "xh", title = "sm" }\n'
_DATABASE = f'connector = "sql"\nurl = "sqlite:///office.db"\n{_COLUMNS}'
_API = f'connector = "rest"\ntotal = "total"\nrecords = "data"\nretries = 0\n{_COLUMNS}'


def _sources(api: str, page: str) -> Mapping[str, str]:
    return {
        "table": f'{_DATABASE}query = "SELECT xh, sm FROM loan"\n',
        "column": f'{_DATABASE}query = "SELECT xh AS number, sm FROM loans"\n',
        "limit": f'{_DATABASE}query = "SELECT xh, sm FROM loans LIMIT 1"\n',
        "sheet": f'connector = "sheet"\npath = "fees.xlsx"\nsheet = "欠费"\n{_COLUMNS}',
        "header": f'connector = "sheet"\npath = "fees.csv"\n{_COLUMNS}',
        "nothing": f'connector = "sheet"\npath = "nothing.csv"\n{_COLUMNS}',
        "port": f'{_API}url = "http://127.0.0.1:1/api"\n',
        "page": f'{_API}url = "{page}"\n',
        "denied": f'{_API}url = "{api}"\n',
        "paging": f'{_API}url = "{api}"\npaging = {{ kind = "page", per_page = 2 }}\n',
    }


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what `clearance check` prints in Chinese about all of these sources."""
    folder = tmp_path_factory.mktemp("university")
    with closing(sqlite3.connect(folder / "office.db")) as office:
        office.executescript("CREATE TABLE loans (xh TEXT, sm TEXT); INSERT INTO loans VALUES ('20151001', '书')")
    book = openpyxl.Workbook()
    book.worksheets[0].append(["xh", "sm"])
    book.save(folder / "fees.xlsx")
    (folder / "fees.csv").write_text("学号,金额\n20151001,3\n", encoding="utf-8")
    login = "<html><title>统一身份认证</title></html>".encode()
    with HttpOffice() as office, answering(login) as page:
        office.befalls = lambda call: (
            as_json({"data": [{"xh": "1", "sm": "书"}], "total": "many"})
            if "page" in call.params
            else as_json({"msg": "账号已停用"}, status=401)
        )
        sources = _sources(f"{office.root}/api/loans", page)
        tables = "".join(f"[source.{name}]\n{_ALIKE}{keys}" for name, keys in sources.items())
        (folder / "clearance.toml").write_text(SETTINGS + tables, encoding="utf-8")
        return _clearance(folder, "check")


def _clearance(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "clearance", "--config", str(folder / "clearance.toml"), *arguments]
    environment = {**os.environ, "CLEARANCE_LANG": "zh", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, encoding="utf-8", check=False
    )
    return f"{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize(
    "text",
    [
        "无法执行查询：no such table: loan。处理办法：没有该表或视图。请更正查询。",
        'column：查询结果缺少 "xh" 列（现有 number、sm）。处理办法：请更正 [source.column] 中的 columns.student',
        "limit：查询自带限制 LIMIT 1，而正好返回了 1 行，可能有行不知不觉地漏掉。处理办法：请从查询中删除 LIMIT 1",
        "没有工作表“欠费”（现有 Sheet）。处理办法：请在 [source.sheet] 中用 sheet 设置正确的工作表。",
        "没有哪一行含有列名“xh”（现有：学号、金额）。处理办法：请更正 [source.header] 中的 columns",
        "nothing.csv 不存在。处理办法：下次同步自动重试。",
        "127.0.0.1:1 没有程序在监听（连接被拒绝）。处理办法：",
        "返回了网页，而不是数据，对方原文：统一身份认证。处理办法：请检查 url 和 auth：这很可能是登录页。",
        "返回 HTTP 401，对方原文：账号已停用。处理办法：请业务部门核对账号、密码和权限。",
        "没有可用的位于 \"total\" 的总数：该处是 'many'。处理办法：请更正 [source.paging] 中的 total。",
    ],
)
def test_check_names_each_fault_in_chinese(checked: str, text: str) -> None:
    assert text in checked


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (f'{_API}url = "http://x.test"\none_url = "http://x.test/one"\n', "请在号码的位置写 {student}"),
        (f'{_DATABASE}query = "DELETE FROM loans"\n', "这不是查询语句：请以 SELECT 或 WITH 开头"),
        (f'{_DATABASE}query = "SELECT 1"\ntls_minimum = "1.0"\n', "读取文件不使用 TLS；请删除该设置项"),
        ('connector = "sip2"\nhost = "x.test"\nasks = "loans"\nencoding = "utf-16"\n', "不是 SIP2 可用的编码"),
    ],
)
def test_a_mistake_in_a_sources_table_is_named_in_chinese(tmp_path: Path, keys: str, text: str) -> None:
    (tmp_path / "clearance.toml").write_text(f"{SETTINGS}[source.wrong]\n{_ALIKE}{keys}", encoding="utf-8")
    assert text in _clearance(tmp_path, "check")


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this process Chinese for one test."""
    monkeypatch.setattr(translation, "_chosen", ["zh"])


@pytest.mark.parametrize("kind", [SourceUnavailable, SourceRefused, SourceGarbled])
@pytest.mark.usefixtures("chinese")
def test_an_error_names_what_happened_and_then_the_fix(kind: type[SourceGarbled]) -> None:
    error = kind("名单为空", "请重新导出。")
    assert str(error) == "名单为空。处理办法：请重新导出。"
    assert (error.what, error.fix_text) == ("名单为空", "请重新导出。")


def test_english_is_unchanged() -> None:
    assert str(SourceGarbled("it is empty", "Export it again.")) == "it is empty. Export it again."


def test_braces_in_an_offices_own_words_are_kept() -> None:
    assert str(SourceRefused("the office answered {code}", "Ask it about {code}.")).count("{code}") == 2
