"""共享数据平台, a university's data centre: one platform, one API for each question, the data of many offices.

By what is public of the platforms that several universities run: for a key and a secret
`/open_api/authentication/get_access_token` gives a token that is good for 7200 s; `/open_api/customization/API/full`
gives the data of one API by `page` and `per_page`, with `total` and `max_page` beside each page; columns are upper
case; a failure comes as HTTP 200 with a `code` other than 10000. That some give fewer records to a page than they are
asked for, and count `max_page` by their own size, is a guess that is provided for.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from config.tables.secrets import Secret, Text
from connectors import rest
from connectors.http.paging import PagePaging
from connectors.http.settings import HttpTimeouts, Ok, TokenAuth
from connectors.port import Question

#: What the connector itself says to the platform.
_OWN = frozenset({"page", "per_page", "access_token"})


class Settings(HttpTimeouts):
    """Where the platform is, who asks, and which of its APIs."""

    #: The platform's root; several sources may name the same.
    url: Text
    key: Text
    secret: Secret
    #: The name of the API, as the platform writes it in its address.
    api: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
    #: How the token is asked for: some platforms take one way only.
    login: Literal["GET", "POST"] = "GET"
    per_page: Annotated[int, Field(ge=1)] = 500
    #: Parameters by which the platform picks records, and any other that it wants.
    filters: dict[str, Text | int] = {}  # noqa: RUF012 - pydantic copies a field's default
    #: The parameter that picks one student's records; left out, everybody is asked for and one is kept.
    one: str = ""
    #: Codes by which the platform says that it cannot answer now and may later.
    later: tuple[int | str, ...] = ()
    #: Fields that a record may leave out.
    optional: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _says_nothing_twice(self) -> Self:
        twice = sorted(_OWN & {*self.filters, self.one})
        if twice:
            raise ValueError(f"{', '.join(twice)} is said by the connector itself: take it out of filters and one")
        if "student" in self.optional:
            raise ValueError('a record without its student is about nobody: take "student" out of optional')
        return self


def connect(settings: Settings, question: Question) -> rest.Rest:
    """Return the connector; it opens nothing yet."""
    s = settings
    root = s.url.rstrip("/")
    own = rest.Settings(
        url=f"{root}/open_api/customization/{s.api}/full",
        params=s.filters,
        records="result.data",
        total="result.total",
        paging=PagePaging(kind="page", size="per_page", per_page=s.per_page, last="result.max_page"),
        one={s.one: "{student}"} if s.one else {},
        optional=s.optional,
        ok=Ok(path="code", equals=(10000, "10000"), later=s.later, reason="message"),
        auth=TokenAuth(
            kind="token",
            url=f"{root}/open_api/authentication/get_access_token",
            method=s.login,
            send={"key": s.key},
            send_secret={"secret": s.secret},
            token="result.access_token",  # noqa: S106 - the name of a field
            param="access_token",
        ),
        **s.patience(),
    ).set_by(Settings, question.columns, {"params": "filters"})
    return rest.about_all_or_one(own, question)
