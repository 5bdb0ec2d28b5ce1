"""What every source over the web may be told: how to come in, whom to believe, how long to wait."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PrivateAttr

from config.tables.base import Span, Table
from config.tables.secrets import FilePath, Secret, Text
from connectors.http.tls import Tls

#: The way out where a ready-made connector has no key that would help.
NO_KEY = (
    "The connector has no key for this: ask the office whether its system was updated, or whether something on the way "
    "changes its answers. The connector rest can be set to another form of answers."
)


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


class HttpTimeouts(Tls):
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
        return {name: getattr(self, name) for name in HttpTimeouts.model_fields}


class HttpSettings(HttpTimeouts):
    """What every source over the web is told, besides its own keys."""

    auth: Auth = NoAuth()
    headers: dict[str, Text] = {}  # noqa: RUF012 - pydantic copies a field's default
    ok: Ok | None = None
    most_bytes: Annotated[int, Field(ge=1)] = 50_000_000
    #: The charset of the answers, for a system that declares none, or a wrong one, and does not send UTF-8.
    charset: str = ""
    proxy: Text = ""
    #: The keys that the source's table has, where a ready-made connector sets these: ours → what it calls them.
    _theirs: Mapping[str, str] | None = PrivateAttr(default=None)

    def set_by(self, connector: type[Table], columns: Mapping[str, str], called: Mapping[str, str]) -> Self:
        """Return these settings as a ready-made connector's own: advice then names its keys, and the mapped columns.

        `called` says which of its keys stands for one of ours, or for a column.
        """
        own = self.model_copy()
        mapped = {column_key(field, path): f"columns.{field}" for field, path in columns.items()}
        own._theirs = {**{key: key for key in connector.model_fields}, **mapped, **called}  # noqa: SLF001 - of this very class
        return own

    def fix(self, advice: str, *keys: str, otherwise: str = NO_KEY) -> str:
        """Return advice that needs all of these keys; `otherwise` where the source's table lacks one of them.

        The key's name in that table goes where the advice has it in braces, such as {records}, or {column}.
        """
        for key in keys:
            named = key.partition(" = ")[0] if self._theirs is None else self._theirs.get(key)
            if named is None:
                return otherwise
            advice = advice.replace("{column}" if key.startswith("columns.") else f"{{{key}}}", named)
        return advice


def column_key(field: str, path: str) -> str:
    """Return the key of a mapped column, for `HttpSettings.fix`: a connector may map a field of that name otherwise."""
    return f"columns.{field} = {path}"
