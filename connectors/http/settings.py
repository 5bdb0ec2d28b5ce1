"""Settings that every source over HTTP has: how to log in, which certificates to trust, how long to wait."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PrivateAttr

from config.tables.base import Span, Table
from config.tables.secrets import FilePath, Secret, Text
from connectors.http.tls import Tls
from foundation.translation import N_, tr

#: The fix where a ready-made connector has no key that would help.
NO_KEY = N_(
    "The connector has no key for this. Ask the office whether its system was updated, or whether "
    "a gateway changes its answers. For another form of answers, use the connector rest."
)


class NoAuth(Table):
    """No login."""

    kind: Literal["none"] = "none"


class BasicAuth(Table):
    """A user and a password, sent with every request."""

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
    #: Text before the value, such as "apikey ".
    prefix: str = ""


class TokenAuth(Table):
    """A token that is requested first, and requested again when it has expired."""

    kind: Literal["token"]
    url: Text
    method: Literal["GET", "POST"] = "POST"
    #: The fields of the login; sent as JSON with POST, unless `form` is set, and as parameters with GET.
    send: dict[str, Text] = {}  # noqa: RUF012 - pydantic copies a field's default
    #: The same, for secrets.
    send_secret: dict[str, Secret] = {}  # noqa: RUF012 - pydantic copies a field's default
    form: bool = False
    #: The path of the token in the answer; empty when the answer sets it in a cookie.
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
    """How an answer shows success, where every answer has the HTTP status 200."""

    path: str
    equals: tuple[str | int | bool, ...]
    #: The values that mean: not now, try again later.
    later: tuple[str | int, ...] = ()
    #: The path of the error text.
    reason: str = ""


class HttpTimeouts(Tls):
    """How long to wait for a source over HTTP, and which certificate authority to trust."""

    connect_timeout: Span = timedelta(seconds=10)
    #: For each answer.
    timeout: Span = timedelta(seconds=60)
    #: For the whole pull.
    longest: Span = timedelta(minutes=10)
    retries: Annotated[int, Field(ge=0, le=10)] = 3
    #: The authority that has signed the system's certificate; left out, those that this machine knows.
    authority: FilePath | None = None

    def patience(self) -> dict[str, Any]:
        """Return only these keys, for a connector that is built on another."""
        return {name: getattr(self, name) for name in HttpTimeouts.model_fields}


class HttpSettings(HttpTimeouts):
    """The settings of every source over HTTP, besides the connector's own keys."""

    auth: Auth = NoAuth()
    headers: dict[str, Text] = {}  # noqa: RUF012 - pydantic copies a field's default
    ok: Ok | None = None
    most_bytes: Annotated[int, Field(ge=1)] = 50_000_000
    #: The charset of the answers, for a system that does not send UTF-8 and declares no charset, or a wrong one.
    charset: str = ""
    proxy: Text = ""
    #: For a ready-made connector: our key → the key in the source's table.
    _theirs: Mapping[str, str] | None = PrivateAttr(default=None)

    def set_by(self, connector: type[Table], columns: Mapping[str, str], called: Mapping[str, str]) -> Self:
        """Return these settings as a ready-made connector's own: advice then names its keys and mapped columns.

        `called` maps one of our keys, or a column, to the connector's key.
        """
        own = self.model_copy()
        mapped = {column_key(field, path): f"columns.{field}" for field, path in columns.items()}
        own._theirs = {**{key: key for key in connector.model_fields}, **mapped, **called}  # noqa: SLF001 - of this very class
        return own

    def fix(self, advice: str, *keys: str, otherwise: str = "") -> str:
        """Return advice that needs all of these keys, or `otherwise` where the source's table lacks one of them.

        The advice names a key in braces, such as {records} or {column}; it is replaced by the name in that table.
        """
        for key in keys:
            named = key.partition(" = ")[0] if self._theirs is None else self._theirs.get(key)
            if named is None:
                return otherwise or tr(NO_KEY)
            advice = advice.replace("{column}" if key.startswith("columns.") else f"{{{key}}}", named)
        return advice


def column_key(field: str, path: str) -> str:
    """Return the key of a mapped column, for `HttpSettings.fix`: a connector may map the same field differently."""
    return f"columns.{field} = {path}"
