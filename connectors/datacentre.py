"""共享数据平台, a university's data centre: one platform with the data of many offices, one API for each question.

From public descriptions of the platforms of several universities: for a key and a secret,
`/open_api/authentication/get_access_token` returns a token that is valid for 7200 s; `/open_api/customization/API/full`
returns the data of one API by `page` and `per_page`, with `total` and `max_page` on each page; columns are upper case;
a failure is HTTP 200 with a `code` other than 10000. That some platforms return fewer records per page than requested,
and count `max_page` by their own page size, is a guess; the connector handles it.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from config.tables.secrets import Secret, Text
from connectors import rest
from connectors.http.paging import PagePaging
from connectors.http.settings import HttpTimeouts, Ok, TokenAuth
from connectors.port import Question
from foundation.translation import tr

#: Parameters that the connector itself sets.
_OWN = frozenset({"page", "per_page", "access_token"})


class Settings(HttpTimeouts):
    """Where the platform is, the account, and which of its APIs is asked."""

    #: The platform's root; several sources can use the same.
    url: Text
    key: Text
    secret: Secret
    #: The name of the API in its address.
    api: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
    #: The method of the login: some platforms accept only one.
    login: Literal["GET", "POST"] = "GET"
    per_page: Annotated[int, Field(ge=1)] = 500
    #: Parameters that select records, and any others that the platform needs.
    filters: dict[str, Text | int] = {}  # noqa: RUF012 - pydantic copies a field's default
    #: The parameter that selects one student's records; left out, all records are read and one student's kept.
    one: str = ""
    #: The codes that mean: not now, try again later.
    later: tuple[int | str, ...] = ()
    #: Fields that a record can leave out.
    optional: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _has_no_own_parameter(self) -> Self:
        own = sorted(_OWN & {*self.filters, self.one})
        if own:
            raise ValueError(
                tr("{own} is set by the connector itself: remove it from filters and one", own=tr(", ").join(own))
            )
        if "student" in self.optional:
            raise ValueError(tr('student cannot be optional: remove "student" from optional'))
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
