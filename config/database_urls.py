"""Checks of a database URL before connecting: a bare `@`, a parameter that the driver does not have.

Messages contain only names of parameters and charsets from the URL: any other part may be a secret.
"""

import re
from typing import TYPE_CHECKING

from foundation.translation import N_, tr

if TYPE_CHECKING:
    from sqlalchemy import URL

_FORM = N_(
    "this is not a database URL: write DIALECT+DRIVER://USER@HOST:PORT/NAME, such as "
    "mysql+pymysql://reader@koha/koha; in a name or a password write %40 for @, %2F for /, %3A "
    "for :, %23 for #"
)

#: Parameters that SQLAlchemy hands from the URL to PyMySQL.
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

#: Keywords of libpq (PostgreSQL's documentation, 34.1.2), which psycopg passes on.
_LIBPQ = frozenset(
    {"host", "hostaddr", "port", "dbname", "user", "password", "passfile", "require_auth", "channel_binding",
     "connect_timeout", "client_encoding", "options", "application_name", "fallback_application_name", "keepalives",
     "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout", "replication", "gssencmode",
     "sslmode", "sslnegotiation", "requiressl", "sslcompression", "sslcert", "sslkey", "sslkeylogfile", "sslpassword",
     "sslcertmode", "sslrootcert", "sslcrl", "sslcrldir", "sslsni", "requirepeer", "ssl_min_protocol_version",
     "ssl_max_protocol_version", "min_protocol_version", "max_protocol_version", "krbsrvname", "gsslib",
     "gssdelegation", "service", "servicefile", "target_session_attrs", "load_balance_hosts"}
)  # fmt: skip

_DRIVER_PARAMETERS = {
    "mysql+pymysql": _PYMYSQL,
    "mariadb+pymysql": _PYMYSQL,
    "mysql+mysqldb": _MYSQLCLIENT,
    "mariadb+mysqldb": _MYSQLCLIENT,
    "postgresql+psycopg": _LIBPQ,
    "postgresql+psycopg2": _LIBPQ,
}

#: Parameters of other programs' URLs, mostly JDBC's → what to do here.
_FOREIGN_PARAMETERS = {
    "servertimezone": N_("set the time zone as timezone in the source's table"),
    "usessl": N_("request TLS with ssl_ca (MySQL) or sslmode (PostgreSQL)"),
    "requiressl": N_("request TLS with ssl_ca (MySQL) or sslmode (PostgreSQL)"),
    "characterencoding": N_("every character arrives without it"),
    "useunicode": N_("every character arrives without it"),
    "charset": N_("use client_encoding instead"),
    "allowpublickeyretrieval": N_("the driver requests the server's key by itself"),
}

#: Parameters that the driver expects as a whole number.
_NUMERIC_PARAMETERS = frozenset({"connect_timeout", "read_timeout", "write_timeout"})


def checked_url(written: str) -> "URL":
    """Return a database's URL. Raises ValueError with the fix, without the URL's secrets."""
    # This import is most of the start time of a process without a database, such as a command that prints its help.
    from sqlalchemy import make_url  # noqa: PLC0415
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    scheme, _, rest = written.partition("://")
    # A second @ belongs to a name or a password. Parsed as it is, part of the password would become the host.
    if not scheme.startswith("sqlite") and rest.count("@") > 1:
        raise ValueError(tr("the URL has more than one @: write %40 for it in a name or a password"))
    try:
        url = make_url(written)
    except (ArgumentError, ValueError):
        raise ValueError(tr(_FORM)) from None
    if not scheme.startswith("sqlite") and any(letter in (url.host or "") for letter in "@?#% "):
        raise ValueError(tr(_FORM))
    for name, value in url.query.items():
        _check_parameter(url.drivername, name, value)
    return url


def _check_parameter(driver: str, name: str, value: object) -> None:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.+-]*", name):
        raise ValueError(tr(_FORM))
    known = _DRIVER_PARAMETERS.get(_with_driver(driver))
    if known is None:
        return
    if name not in known:
        foreign = _FOREIGN_PARAMETERS.get(name.lower())
        why = tr(foreign) if foreign else tr("use one of {known}", known=", ".join(sorted(known)))
        raise ValueError(
            tr(
                "the driver ({driver}) does not have the parameter {name} in the URL: remove it; {why}",
                driver=driver,
                name=name,
                why=why,
            )
        )
    if not isinstance(value, str):
        if known is _LIBPQ and name in ("host", "port"):
            return
        raise ValueError(tr("the parameter {name} is in the URL more than once: write it once", name=name))
    if name in _NUMERIC_PARAMETERS and not value.isdecimal():
        raise ValueError(tr("the parameter {name} in the URL is not a whole number of seconds: correct it", name=name))
    if name == "charset":
        _check_charset(value)


def _with_driver(name: str) -> str:
    """Return the dialect with the driver that SQLAlchemy uses by default."""
    return {"mysql": "mysql+mysqldb", "mariadb": "mariadb+mysqldb", "postgresql": "postgresql+psycopg"}.get(name, name)


def _check_charset(name: str) -> None:
    from pymysql.charset import charset_by_name  # noqa: PLC0415 - only where a URL names a charset

    if charset_by_name(name) is None:
        looks_like_utf8 = re.sub(r"[^a-z0-9]", "", name.lower()).startswith("utf8")
        fix = tr("write charset=utf8mb4, or remove it") if looks_like_utf8 else tr("remove it; utf8mb4 is then used")
        raise ValueError(
            tr("the parameter charset in the URL names a charset that MySQL does not have: {fix}", fix=fix)
        )
