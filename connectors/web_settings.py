"""What every source over the web may be told: how to come in, whom to believe, how long to wait."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from config.secrets import FilePath, Secret, Text
from config.settings import Table
from config.table import Span
from connectors.tls import Tls


class NoAuth(Table):
    """The address asks for nothing."""

    kind: Literal["none"] = "none"


class BasicAuth(Table):
    """A user and a password with every request."""

    kind: Literal["basic"]
    user: Text
    password: Secret


class BearerAuth(Table):
    """A token that does not change."""

    kind: Literal["bearer"]
    token: Secret


class HeaderAuth(Table):
    """A header of the system's own, such as X-Api-Key."""

    kind: Literal["header"]
    name: str
    value: Secret
    #: Stands before the value, such as "apikey ".
    prefix: str = ""


class TokenAuth(Table):
    """A token that is fetched first, and fetched anew when it is no longer good."""

    kind: Literal["token"]
    url: Text
    method: Literal["GET", "POST"] = "POST"
    #: What is sent to log in; as JSON with POST, unless `form`, and as parameters with GET.
    send: dict[str, Text] = {}  # noqa: RUF012 - pydantic copies a field's default
    #: The same, for what nobody may read.
    send_secret: dict[str, Secret] = {}  # noqa: RUF012 - pydantic copies a field's default
    form: bool = False
    #: Where the token stands in the answer; empty when the answer leaves it in a cookie.
    token: str = "token"  # noqa: S105 - the name of a field
    #: How it is sent with each request: as this parameter, or else in this header.
    param: str = ""
    header: str = "Authorization"
    prefix: str = "Bearer "


class Oauth2Auth(Table):
    """OAuth2 client credentials (RFC 6749, section 4.4)."""

    kind: Literal["oauth2"]
    url: Text
    client_id: Text
    client_secret: Secret
    scope: str = ""


Auth = Annotated[NoAuth | BasicAuth | BearerAuth | HeaderAuth | TokenAuth | Oauth2Auth, Field(discriminator="kind")]


class Ok(Table):
    """How an answer says that all went well, where HTTP says so of every answer."""

    path: str
    equals: tuple[str | int | bool, ...]
    #: What stands there where the system cannot answer now and may later.
    later: tuple[str | int, ...] = ()
    #: Where it says what went wrong.
    reason: str = ""


class Patience(Tls):
    """How long a source over the web is waited for, and whose word is taken for who it is."""

    connect_timeout: Span = timedelta(seconds=10)
    #: For each answer.
    timeout: Span = timedelta(seconds=60)
    #: For the whole pull.
    longest: Span = timedelta(minutes=10)
    retries: Annotated[int, Field(ge=0, le=10)] = 3
    #: The authority that has signed the system's certificate; left out, those this machine knows.
    authority: FilePath | None = None

    def patience(self) -> dict[str, Any]:
        """Return these keys alone, for a connector that is asked through another."""
        return {name: getattr(self, name) for name in Patience.model_fields}


class Exchange(Patience):
    """What every source over the web is told, besides its own keys."""

    auth: Auth = NoAuth()
    headers: dict[str, Text] = {}  # noqa: RUF012 - pydantic copies a field's default
    ok: Ok | None = None
    most_bytes: Annotated[int, Field(ge=1)] = 50_000_000
    #: The charset of the answers, for a system that declares none, or a wrong one, and does not send UTF-8.
    charset: str = ""
    proxy: Text = ""
