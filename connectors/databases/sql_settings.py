"""The keys of `sql`: where a database is and which SELECTs to run; they are validated together."""

import codecs
from datetime import timedelta
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator
from sqlalchemy import make_url

from config.tables.base import Span
from config.tables.secrets import FilePath, Text
from connectors.databases.statements.queries import Query, binds
from connectors.databases.statements.query_guard import refuse, refuse_everywhere
from connectors.http.tls import DatabaseTls
from foundation.translation import tr

#: Parameters that this program binds if a query names them.
_OWN_PARAMETERS = frozenset({"student", "numbers", "these", "opens", "closes", "cohort"})


def _codec_name(name: str) -> str:
    try:
        return codecs.lookup(name).name if name else ""
    except LookupError:
        raise ValueError(tr('"{name}" is not a charset: write one such as "gbk"', name=name)) from None


class Settings(DatabaseTls):
    """Where the database is, and what to ask."""

    #: A source with these keys can have a query as `as_of`.
    asks_database: ClassVar[bool] = True
    #: Which functions are allowed does not change an answer.
    how: ClassVar[frozenset[str]] = frozenset({"allows"})

    query: Query
    #: Values for the `:names` in the queries; they are bound, never inserted into the text.
    parameters: dict[str, Text | int | float] = {}  # noqa: RUF012 - pydantic copies a field's default
    #: A query whose first column lists all people that the office knows.
    population: Query | None = None
    #: The same query for one student, `:student`; without it, the complete answer is read and filtered.
    one: Query | None = None
    #: The database computes a fingerprint, to show whether the answer changed: true for a built-in count and digest, or
    #: a query whose rows are the fingerprint.
    fingerprint: bool | Query = False
    #: A statement that takes longer is stopped.
    timeout: Span = timedelta(minutes=2)
    connect_timeout: Span = timedelta(seconds=10)
    #: The charset of text that arrives as bytes: from binary columns, and from a database that is declared as ASCII.
    bytes_as: Annotated[str, AfterValidator(_codec_name)] = ""
    #: The folder of Oracle's client; if set, the whole program uses thick mode.
    oracle_client: FilePath | None = None
    #: Functions that a query can call although their names are refused: the office's own that only read.
    allows: frozenset[str] = frozenset()
    #: An answer with more rows is refused, because the query has probably lost its condition.
    limit: Annotated[int, Field(ge=1)] = 5_000_000

    @model_validator(mode="after")
    def _only_reads(self) -> Self:
        for query in self.queries():
            if self.url.in_the_file:
                refuse(query, make_url(self.url.reveal()).get_backend_name(), self.allows)
            else:
                refuse_everywhere(query, self.allows)
        return self

    def queries(self) -> tuple[str, ...]:
        """Return every query that can be sent."""
        asked = (self.query, self.population, self.one, self.fingerprint)
        return tuple(query for query in asked if isinstance(query, str) and query)

    @model_validator(mode="after")
    def _binds_safely(self) -> Self:
        if taken := sorted(_OWN_PARAMETERS & self.parameters.keys()):
            raise ValueError(tr("the program itself binds :{taken}: give the parameter another name", taken=taken[0]))
        if binds(self.query, "numbers") and self.population is None:
            raise ValueError(
                tr(
                    "a query that binds :numbers misses students whose numbers the office writes differently, and "
                    "they would be cleared: add a population, which can bind :numbers too"
                )
            )
        return self
