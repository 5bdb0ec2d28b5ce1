"""A database's URL is looked at with the other settings, and nothing of a secret in it is ever shown."""

from pathlib import Path

import pytest

from clearance.settings_file import schema_of
from config.load import load
from tests.world import SETTINGS

LOANS = SETTINGS.split("[source.loans]")[1].split("[source.fines]")[0]
SOURCE = """
step = "library"
connector = "sql"
url = "env:OFFICE_URL"
query = "SELECT card, title FROM loans"
columns = { student = "card", title = "title" }
means = "items"
every = "15 min"

"""


def mistakes(folder: Path, url: str) -> str:
    """Load settings whose source has this url; return why it cannot be asked, empty where it can."""
    file = folder / "clearance.toml"
    file.write_text(SETTINGS.replace(LOANS, SOURCE), encoding="utf-8")
    settings = load(file, schema_of, {"STATUS_URL": "sqlite:///status.db", "OFFICE_URL": url})
    for mistake in settings.source["loans"].unusable:
        assert mistake.startswith("[source.loans] url: ")
        return mistake
    return ""


@pytest.mark.parametrize(
    "url",
    [
        "mysql+pymysql://reader:hush@mum@office/koha",
        "mysql+pymysql://reader:hush@mum@office/koha?charset=utf8mb4",
        "mysql+pymysql://reader:hush@mu/m@office/koha",
        "mysql+pymysql://reader:hush@mu?m@office/koha",
        "mysql+pymysql://reader:@hush@office/koha",
        "postgresql+psycopg://rea@der:hush@office/koha",
        "oracle+oracledb://reader:hush@mum@office:1521/?service_name=LIB",
        "mssql+pymssql://reader:hush@mum@office/fees",
        "dm://reader:hush@mum@office:5236/",
    ],
)
def test_a_bare_at_sign_is_refused_and_nothing_of_the_password_is_shown(tmp_path: Path, url: str) -> None:
    found = mistakes(tmp_path, url)
    assert found.endswith("write %40 for it in a name or a password")
    assert not [part for part in ("hush", "mum", "office", "der:") if part in found]


@pytest.mark.parametrize(
    "url",
    ["mysql+pymysql://reader:hidden-word@office:33o6/koha", "mysql+pymysql://reader:hidden:word", "hidden-word"],
)
def test_what_is_not_a_url_is_refused_and_not_shown(tmp_path: Path, url: str) -> None:
    found = mistakes(tmp_path, url)
    assert "this is not a database URL" in found
    assert not [part for part in ("hidden", "33o6") if part in found]


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ("charset=utf-8", "charset"),
        ("charset=UTF8MB4_bin", "charset"),
        ("charset=gb2312-80", "charset"),
        ("serverTimezone=Asia/Shanghai&charset=utf8mb4", "serverTimezone"),
        ("charset=utf8mb4&useSSL=false", "useSSL"),
        ("characterEncoding=utf8", "characterEncoding"),
        ("connect_timeout=soon", "connect_timeout"),
        ("charset=utf8mb4&charset=gbk", "charset"),
        ("timeout=5", "timeout"),
    ],
)
@pytest.mark.parametrize("driver", ["mysql+pymysql", "mysql+mysqldb", "mariadb+pymysql", "mysql"])
def test_a_parameter_that_the_driver_does_not_have_is_refused_by_name(
    tmp_path: Path, parameters: str, name: str, driver: str
) -> None:
    found = mistakes(tmp_path, f"{driver}://reader:hidden-word@office/koha?{parameters}")
    assert f"the parameter {name} " in found
    assert "hidden" not in found


@pytest.mark.parametrize("parameters", ["charset=utf8", "useSSL=true", "currentSchema=public", "connect_timeout=1s"])
def test_postgresql_has_parameters_of_its_own(tmp_path: Path, parameters: str) -> None:
    name = parameters.partition("=")[0]
    assert f"the parameter {name} " in mistakes(tmp_path, f"postgresql+psycopg://reader@office/fees?{parameters}")


@pytest.mark.parametrize(
    "url",
    [
        "mysql+pymysql://reader%40tenant%23cluster:hid%40den@office:2883/koha?charset=utf8mb4&unix_socket=/run/m.sock",
        "mysql+pymysql://reader:w@office/koha?charset=gbk&ssl_ca=/etc/ca.pem&ssl_verify_cert=true",
        "mysql+pymysql://reader:p:a/s?s#w@office/koha?charset=utf8mb4",
        "postgresql+psycopg://reader@/fees?host=/run/postgresql&sslmode=require&ssl_min_protocol_version=TLSv1",
        "oracle+oracledb://reader:w@office:1521/?service_name=LIB",
        "mssql+pyodbc://reader:w@office/fees?driver=ODBC+Driver+18+for+SQL+Server&TrustServerCertificate=yes",
        "sqlite:///exports/a@b@c.db",
    ],
)
def test_what_the_drivers_take_is_taken(tmp_path: Path, url: str) -> None:
    assert mistakes(tmp_path, url) == ""
