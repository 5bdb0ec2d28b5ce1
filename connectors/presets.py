"""What ready-made connectors to a library's own tables share: where the database is, and how it is asked."""

import re
from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import AfterValidator

from config.tables.base import Span
from config.tables.secrets import FilePath
from connectors import sql
from connectors.http.tls import DatabaseTls
from connectors.own_keys.questions import KnownQuestions
from connectors.port import Question
from foundation.translation import tr


def _identifier(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_$#]{0,127}", name):
        raise ValueError(tr('"{name}" is not a name of a table or column: write letters, digits and _', name=name))
    return name.upper()


#: The name of a table, view or column that is safe in a query as it is.
Name = Annotated[str, AfterValidator(_identifier)]


class Database(KnownQuestions, DatabaseTls):
    """Where the database is, and how it is asked; the connector adds its own keys to these."""

    asks_database: ClassVar[bool] = True

    #: The charset of the titles, where the database declares ASCII: mostly "gbk".
    bytes_as: str = ""
    #: Ask only about the roster's numbers, and not about every reader.
    roster_only: bool = False
    #: Ask the database first whether its answer has changed since the last pull.
    fingerprint: bool = False
    oracle_client: FilePath | None = None
    timeout: Span = timedelta(minutes=2)
    connect_timeout: Span = timedelta(seconds=10)


def asking(
    settings: Database, question: Question, query: str, population: str, number: str, in_query: str = ""
) -> sql.Sql:
    """Return the connector for `query`; `population` is the query for the readers.

    `number` is the expression for the student number in both; `in_query` replaces it in `query`, where it differs.
    """
    asked = in_query or number
    own = sql.Settings(
        url=settings.url,
        query=_with_condition(query, f"{asked} IN :numbers" if settings.roster_only else ""),
        population=_with_condition(population, f"{number} IN :numbers" if settings.roster_only else ""),
        one=_with_condition(query, f"{asked} = :student"),
        bytes_as=settings.bytes_as,
        fingerprint=settings.fingerprint,
        oracle_client=settings.oracle_client,
        timeout=settings.timeout,
        connect_timeout=settings.connect_timeout,
        tls_minimum=settings.tls_minimum,
        tls_ciphers=settings.tls_ciphers,
    )
    return sql.connect(own, question)


def _with_condition(query: str, condition: str) -> str:
    if not condition:
        return query
    return f"{query} {'AND' if ' WHERE ' in query else 'WHERE'} {condition}"
