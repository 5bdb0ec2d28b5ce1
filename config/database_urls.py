"""What can be seen of a database's URL before anybody connects: a bare `@`, a parameter that its driver does not have.

Nothing of the URL but a parameter's name, and a charset's, stands in a message: any other part may be a secret.
"""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import URL

_FORM = (
    "this is no database URL: write DIALECT+DRIVER://USER@HOST:PORT/NAME, such as mysql+pymysql://reader@koha/koha; "
    "within a name or a password write %40 for @, %2F for /, %3A for :, %23 for #"
)

#: What PyMySQL takes from a URL by way of SQLAlchemy.
_PYMYSQL = frozenset(
    {"charset", "collation", "unix_socket", "connect_timeout", "read_timeout", "write_timeout", "bind_address",
     "init_command", "sql_mode", "use_unicode", "client_flag", "max_allowed_packet", "program_name",
     "server_public_key", "read_default_file", "read_default_group", "autocommit", "ssl", "ssl_ca", "ssl_capath",
     "ssl_cert", "ssl_key", "ssl_cipher", "ssl_check_hostname", "ssl_disabled", "ssl_key_password",
     "ssl_verify_cert", "ssl_verify_identity"}
)  # fmt: skip

_MYSQLCLIENT = frozenset(
    {"charset", "collation", "unix_socket", "connect_timeout", "read_timeout", "write_timeout", "init_command",
     "sql_mode", "use_unicode", "compress", "client_flag", "local_infile", "read_default_file", "read_default_group",
     "auth_plugin", "ssl", "ssl_ca", "ssl_capath", "ssl_cert", "ssl_key", "ssl_cipher", "ssl_mode"}
)  # fmt: skip

#: libpq's keywords (PostgreSQL's documentation, 34.1.2), which psycopg hands on.
_LIBPQ = frozenset(
    {"host", "hostaddr", "port", "dbname", "user", "password", "passfile", "require_auth", "channel_binding",
     "connect_timeout", "client_encoding", "options", "application_name", "fallback_application_name", "keepalives",
     "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout", "replication", "gssencmode",
     "sslmode", "sslnegotiation", "requiressl", "sslcompression", "sslcert", "sslkey", "sslkeylogfile", "sslpassword",
     "sslcertmode", "sslrootcert", "sslcrl", "sslcrldir", "sslsni", "requirepeer", "ssl_min_protocol_version",
     "ssl_max_protocol_version", "min_protocol_version", "max_protocol_version", "krbsrvname", "gsslib",
     "gssdelegation", "service", "servicefile", "target_session_attrs", "load_balance_hosts"}
)  # fmt: skip

_KNOWN = {
    "mysql+pymysql": _PYMYSQL,
    "mariadb+pymysql": _PYMYSQL,
    "mysql+mysqldb": _MYSQLCLIENT,
    "mariadb+mysqldb": _MYSQLCLIENT,
    "postgresql+psycopg": _LIBPQ,
    "postgresql+psycopg2": _LIBPQ,
}

#: Parameters of other programs' URLs, mostly JDBC's → what to do here.
_ELSEWHERE = {
    "servertimezone": "times are read in the source's own timezone",
    "usessl": "TLS is asked for by ssl_ca (MySQL) or sslmode (PostgreSQL)",
    "requiressl": "TLS is asked for by ssl_ca (MySQL) or sslmode (PostgreSQL)",
    "characterencoding": "every letter arrives without it",
    "useunicode": "every letter arrives without it",
    "charset": "the encoding is called client_encoding there",
    "allowpublickeyretrieval": "the driver asks for the server's key by itself",
}

#: Parameters that the driver wants as a whole number.
_NUMBERS = frozenset({"connect_timeout", "read_timeout", "write_timeout"})


def checked_url(written: str) -> "URL":
    """Return a database's URL. Raises ValueError, with the fix and nothing of the URL's secrets."""
    # It takes most of the start of a process that has no database: a list's child, a command that prints its help.
    from sqlalchemy import make_url  # noqa: PLC0415
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    scheme, _, rest = written.partition("://")
    # A second one means that one stands bare in a name or a password, and the rest of it would be taken for the host.
    if not scheme.startswith("sqlite") and rest.count("@") > 1:
        raise ValueError("the URL has more than one @: write %40 for it within a name or a password")
    try:
        url = make_url(written)
    except (ArgumentError, ValueError):
        raise ValueError(_FORM) from None
    if not scheme.startswith("sqlite") and any(letter in (url.host or "") for letter in "@?#% "):
        raise ValueError(_FORM)
    for name, value in url.query.items():
        _check(url.drivername, name, value)
    return url


def _check(driver: str, name: str, value: object) -> None:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.+-]*", name):
        raise ValueError(_FORM)
    known = _KNOWN.get(_with_driver(driver))
    if known is None:
        return
    if name not in known:
        why = _ELSEWHERE.get(name.lower(), f"known are {', '.join(sorted(known))}")
        raise ValueError(f"the parameter {name} in the URL is none of the driver's ({driver}): take it out; {why}")
    if not isinstance(value, str):
        if known is _LIBPQ and name in ("host", "port"):
            return
        raise ValueError(f"the parameter {name} stands in the URL more than once: write it once")
    if name in _NUMBERS and not value.isdecimal():
        raise ValueError(f"the parameter {name} in the URL takes a whole number of seconds: correct it")
    if name == "charset":
        _check_charset(value)


def _with_driver(name: str) -> str:
    """Return the dialect with the driver that SQLAlchemy takes where none is named."""
    return {"mysql": "mysql+mysqldb", "mariadb": "mariadb+mysqldb", "postgresql": "postgresql+psycopg"}.get(name, name)


def _check_charset(name: str) -> None:
    from pymysql.charset import charset_by_name  # noqa: PLC0415 - only where a URL names a charset

    if charset_by_name(name) is None:
        looks_like_utf8 = re.sub(r"[^a-z0-9]", "", name.lower()).startswith("utf8")
        fix = "write charset=utf8mb4, or take it out" if looks_like_utf8 else "take it out: then utf8mb4 is used"
        raise ValueError(f"the parameter charset in the URL names a charset that MySQL does not have: {fix}")
