"""TLS with old and badly kept servers: the true cause, the setting that helps, and no word less about its weakness."""

import re
import select
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connectors import rest, sql
from connectors.http.tls import Tls, cause_of
from connectors.port import Question, SourceError, SourceRefused, SourceUnavailable
from tests.contract import Ticking
from tests.patience import PATIENCE
from tests.services.http_office import HttpOffice
from tests.services.tls_office import (
    Certificate,
    Setup,
    TlsOffice,
    as_usual,
    certificate,
    mysql_office,
    only,
    rsa_only,
    short_dh,
)

#: A Python that a distribution builds can have OpenSSL's own ciphers; Python's list has none with an RSA key exchange.
refuses_rsa = pytest.mark.skipif(
    "AES128-SHA" in {cipher["name"] for cipher in ssl.create_default_context().get_ciphers()},
    reason="this Python accepts the ciphers that this server has",
)

COLUMNS = {"student": "NUMBER", "title": "TITLE"}
TLS_1_0, TLS_1_1, TLS_1_2 = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def good(folder: Path) -> Certificate:
    """What an office shows that keeps its server well."""
    return certificate(folder)


def asked(url: str, authority: Path | None, **own: Any) -> rest.Rest:
    """Return what asks there."""
    settings = {"url": url, "records": "data.rows", "total": "data.total", "retries": 0, **own}
    settings |= {"authority": authority} if authority else {}
    made = rest.connect(rest.Settings.model_validate(settings), Question("loans", COLUMNS, Ticking()))
    assert isinstance(made, rest.Rest)
    return made


def refused(url: str, authority: Path | None, **own: Any) -> SourceError:
    """Return how asking there fails."""
    with pytest.raises(SourceError) as caught:
        asked(url, authority, **own).pull()
    return caught.value


@pytest.mark.parametrize(
    ("setup", "cause", "helps"),
    [
        (only(TLS_1_0), r"no longer safe.*it accepted TLS 1\.0", {"tls_minimum": "1.0"}),
        (only(TLS_1_1), r"no longer safe.*it accepted TLS 1\.1", {"tls_minimum": "1.1"}),
        pytest.param(rsa_only, "no TLS cipher in common", {"tls_ciphers": "DEFAULT:!DHE"}, marks=refuses_rsa),
        (short_dh(), "Diffie-Hellman key that is too small", {"tls_ciphers": "DEFAULT:@SECLEVEL=1"}),
        pytest.param(
            short_dh("AES128-SHA"),
            "Diffie-Hellman key that is too small",
            {"tls_ciphers": "DEFAULT:!DHE"},
            marks=refuses_rsa,
        ),
    ],
    ids=["TLS 1.0", "TLS 1.1", "RSA only", "DH alone", "DH first"],
)
def test_old_tls_is_refused_by_its_cause_and_asked_with_the_setting_that_the_message_names(
    good: Certificate, setup: Setup, cause: str, helps: Mapping[str, str]
) -> None:
    with TlsOffice(good, setup) as office:
        error = refused(office.url, good.authority)
        assert isinstance(error, SourceRefused)
        assert error.what.startswith(f"loans: {office.url}")
        (written,) = (f'{key} = "{value}"' for key, value in helps.items())
        assert f"until then write {written} in [source.loans]" in error.fix_text
        assert re.search(cause, error.what)
        loosened = asked(office.url, good.authority, **helps)
        assert list(loosened.pull().rows) == [("20151001", "地质学")]
        assert rest.Settings.model_validate({"url": office.url, "total": "t", **helps}).weaker_connection


def test_a_loosened_connection_looks_at_certificates_as_ever(folder: Path, good: Certificate) -> None:
    other = certificate(folder, "elsewhere.edu")
    loose = {"tls_minimum": "1.0", "tls_ciphers": "DEFAULT:@SECLEVEL=0"}
    with TlsOffice(other) as office:
        assert "for another name" in refused(office.url, other.authority, **loose).what
        assert "authority is not known here" in refused(office.url, good.authority, **loose).what
        assert "authority is not known here" in refused(office.url, None, **loose).what


@contextmanager
def tunnel() -> Iterator[str]:
    """Give the address of a proxy that carries one connection after another to wherever CONNECT names."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def carry(end: socket.socket) -> None:
            words = end.recv(4096).split()
            host, _, port = words[1].decode().partition(":")
            with socket.create_connection((host, int(port))) as other:
                end.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                ends = {end: other, other: end}
                while ready := select.select(list(ends), [], [], PATIENCE)[0]:
                    for each in ready:
                        if not (came := each.recv(1 << 16)):
                            return
                        ends[each].sendall(came)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    end, _ = listening.accept()
                    with end, suppress(OSError):
                        carry(end)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE)


def test_the_limits_hold_through_a_proxy_too(good: Certificate) -> None:
    with TlsOffice(good, only(TLS_1_0)) as office, tunnel() as proxy:
        error = refused(office.url, good.authority, proxy=proxy)
        assert "no longer safe" in error.what
        assert 'write tls_minimum = "1.0"' in error.fix_text
        rows = asked(office.url, good.authority, proxy=proxy, tls_minimum="1.0").pull().rows
    assert list(rows) == [("20151001", "地质学")]


@pytest.mark.parametrize(
    ("made", "cause", "fix_text"),
    [
        ({"host": "elsewhere.edu"}, "certificate for another name", "by a name in the certificate"),
        ({"days": -1, "since": -9}, "certificate that has expired", "renew"),
        ({"days": 20, "since": 10}, "not valid yet", "this machine's clock"),
        ({"bits": 1024}, "too weak", 'tls_ciphers = "DEFAULT:@SECLEVEL=1"'),
    ],
    ids=["another name", "expired", "not yet", "short key"],
)
def test_what_is_wrong_with_a_certificate_is_named(
    folder: Path, made: Mapping[str, Any], cause: str, fix_text: str
) -> None:
    shown = certificate(folder, **made)
    with TlsOffice(shown) as office:
        error = refused(office.url, shown.authority)
        assert isinstance(error, SourceRefused)
        assert cause in error.what
        assert fix_text in error.fix_text


def test_an_unknown_authority_and_a_file_that_holds_none_are_named(folder: Path, good: Certificate) -> None:
    empty = folder / "empty.pem"
    empty.write_text("no certificate", encoding="ascii")
    with TlsOffice(good) as office:
        assert "set authority to its file" in refused(office.url, None).fix_text
        missing = refused(office.url, folder / "missing.pem")
        assert "does not exist" in missing.what
        assert "missing.pem" in missing.what
        assert "has no certificate" in refused(office.url, empty).what


def test_a_port_without_tls_is_called_that(good: Certificate) -> None:
    with HttpOffice() as office:
        error = refused(office.url.replace("http://", "https://"), good.authority)
    assert isinstance(error, SourceRefused)
    assert "does not use TLS on that port" in error.what
    assert "http:// in url" in error.fix_text


def test_settings_that_are_no_longer_needed_are_reported(good: Certificate) -> None:
    with TlsOffice(good, only(TLS_1_2)) as office:
        error = refused(office.url, good.authority, tls_minimum="1.3")
    assert "Remove tls_minimum and tls_ciphers" in error.fix_text


@pytest.mark.parametrize(
    ("own", "why"),
    [
        ({"tls_minimum": "0.9"}, "1.0"),
        ({"tls_ciphers": "AES128-SHA:AES128-SHAA"}, 'has no cipher "AES128-SHAA"'),
        ({"tls_ciphers": "aNULL"}, "no cipher is left"),
        ({"tls_ciphers": "DEFAULT:@SECLEVEL=9"}, "no cipher is left"),
        ({"tls_minimum": "1.3", "tls_ciphers": "AES128-SHA"}, "TLS 1.3 has ciphers of its own"),
    ],
)
def test_a_slip_in_the_settings_is_reported(own: Mapping[str, str], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Tls.model_validate(own)


@refuses_rsa
def test_only_what_is_weaker_than_usual_is_called_so() -> None:
    for own in ({}, {"tls_minimum": "1.2"}, {"tls_minimum": "1.3"}, {"tls_ciphers": "ECDHE+AESGCM"}):
        assert Tls.model_validate(own).weaker_connection == ()
    for own in ({"tls_minimum": "1.1"}, {"tls_ciphers": "AES128-SHA"}, {"tls_ciphers": "ECDHE+AESGCM:@SECLEVEL=1"}):
        (said,) = Tls.model_validate(own).weaker_connection
        assert "have the office turn on" in said


MYSQL, ORACLE = (
    "mysql+pymysql://reader:hidden-word@127.0.0.1",
    "oracle+oracledb://reader:hidden-word@/?dsn=tcps://h:1/x",
)


@pytest.mark.parametrize(
    ("url", "own", "why"),
    [
        ("sqlite:///fees.db", {"tls_minimum": "1.0"}, "a file is read without TLS"),
        ("postgresql+psycopg://fees/x", {"tls_minimum": "1.0"}, "no longer supports TLS 1.0"),
        ("postgresql+psycopg://fees/x", {"tls_ciphers": "DEFAULT"}, "no setting for ciphers"),
        ("mysql+mysqldb://fees/x", {"tls_minimum": "1.0"}, r"write mysql\+pymysql://"),
        (f"{MYSQL}/x?ssl_disabled=true", {"tls_minimum": "1.0"}, "switches TLS off"),
        ("oracle+oracledb://fees/?service_name=x", {"tls_minimum": "1.0"}, "does not use TLS: write .dsn=tcps://"),
        (ORACLE, {"tls_minimum": "1.0", "oracle_client": "/opt/oracle"}, r"reads SSL_VERSION .* sqlnet\.ora"),
        ("mssql+pymssql://fees/x", {"tls_minimum": "1.0"}, "pymssql has no setting"),
        (
            "dm://fees/x",
            {"tls_minimum": "1.0", "tls_ciphers": "DEFAULT"},
            "tls_minimum and tls_ciphers cannot take effect",
        ),
    ],
)
def test_a_driver_without_such_a_setting_is_named_with_the_reason(url: str, own: Mapping[str, str], why: str) -> None:
    assert re.search(why, str(ask(url, **own)))
    if "hidden-word" not in url:
        # The file itself may hold it: it is then refused with the other settings.
        with pytest.raises(ValidationError, match=why):
            sql.Settings.model_validate({"url": url, "query": "SELECT 1", **own})


def ask(url: str, **own: Any) -> SourceError:
    """Return how asking a database fails."""
    settings = sql.Settings.model_validate({"url": f"env:NO_SUCH_NAME:-{url}", "query": "SELECT XH FROM f", **own})
    with pytest.raises(SourceError) as caught:
        sql.connect(settings, Question("fees", {"student": "XH"}, Ticking())).pull()
    assert "hidden-word" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("setup", "own", "cause", "spoken"),
    [
        (only(TLS_1_0), {"tls_minimum": "1.0"}, "no longer safe", "TLSv1"),
        pytest.param(rsa_only, {"tls_ciphers": "DEFAULT"}, "no TLS cipher in common", "TLSv1.2", marks=refuses_rsa),
        (short_dh(), {"tls_ciphers": "DEFAULT:@SECLEVEL=1"}, "too small", "TLSv1.2"),
    ],
    ids=["TLS 1.0", "RSA only", "DH"],
)
def test_a_mysql_of_old_tls_is_asked_with_the_setting_that_the_message_names(
    good: Certificate, setup: Setup, own: Mapping[str, str], cause: str, spoken: str
) -> None:
    agreed: list[str] = []
    with mysql_office(good, setup, agreed) as port:
        url = f"{MYSQL}:{port}/fees?ssl_ca={good.authority}"
        error = ask(url)
        assert isinstance(error, SourceRefused)
        assert cause in error.what
        ((key, value),) = own.items()
        assert f'write {key} = "{value}"' in error.fix_text or f'"{value}", in the table' in error.fix_text
        assert agreed == []
        assert "Access denied" in ask(url, **own).what
        assert agreed == [spoken]


def test_a_mysql_with_another_certificate_is_called_that(folder: Path, good: Certificate) -> None:
    other = certificate(folder, "elsewhere.edu")
    with mysql_office(other, as_usual, []) as port:
        url = f"{MYSQL}:{port}/fees?ssl_verify_cert=true&ssl_verify_identity=true&ssl_ca="
        assert "authority is not known here" in ask(f"{url}{good.authority}").what
        assert "ssl_ca in the url" in ask(f"{url}{good.authority}").fix_text
        assert "another name" in ask(f"{url}{other.authority}").what
        # Whose certificate it is counts as before.
        assert "another name" in ask(f"{url}{other.authority}", tls_minimum="1.0").what


@refuses_rsa
def test_an_oracle_of_old_tls_is_asked_with_the_setting_that_the_message_names(good: Certificate) -> None:
    with TlsOffice(good, only(TLS_1_0)) as office:
        url = f"oracle+oracledb://reader:hidden-word@/?dsn=tcps://{office.root.removeprefix('https://')}/fees"
        error = ask(url)
        assert isinstance(error, SourceRefused)
        assert "no longer safe" in error.what
        assert 'tls_minimum = "1.0"' in error.fix_text
        # Its certificate is looked at, so that TLS 1.0 was agreed on.
        assert "authority is not known here" in ask(url, tls_minimum="1.0").what


@pytest.mark.parametrize(
    ("said", "kind", "cause", "fix_text"),
    [
        ("server does not support SSL, but SSL was required", SourceRefused, "does not use TLS", "sslmode=disable"),
        ('server certificate for "a" does not match host name "b"', SourceRefused, "another name", "host in the url"),
        ('root certificate file "/x.pem" does not exist', SourceRefused, "does not exist", "sslrootcert in the url"),
        ("SSL error: certificate verify failed", SourceRefused, "not trusted here", "sslrootcert in the url"),
        ("SSL error: tlsv1 alert protocol version", SourceRefused, "no longer safe", "turn on TLS 1.2."),
        ("SSL error: unexpected eof while reading", SourceUnavailable, "closed the connection", "next run"),
    ],
)
def test_what_libpq_reports_has_its_cause(said: str, kind: type[SourceError], cause: str, fix_text: str) -> None:
    found = cause_of(said, plain="sslmode=disable in the url", authority="sslrootcert in the url", settings=False)
    assert found is not None
    assert found.kind is kind
    assert cause in found.did
    assert fix_text in found.fix_text
    assert "tls_" not in found.fix_text
