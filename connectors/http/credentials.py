"""The login of a source over HTTP: the account, the header or parameter of each request, and the masking of secrets."""

import base64
import re
from typing import Any
from urllib.parse import quote, quote_plus

import requests
from requests.auth import AuthBase, HTTPBasicAuth

from config.tables.secrets import Secret
from connectors.http.settings import Auth, BasicAuth, BearerAuth, HeaderAuth, Oauth2Auth, TokenAuth
from connectors.own_keys.secrets import reveal

#: Any credential in the form of a header.
_CREDENTIAL = re.compile(r"\b(Bearer|Basic)\s+(?=[a-z]*[^a-z\s])[\w.~+/=-]{6,}", re.ASCII | re.IGNORECASE)


class Credentials:
    """A source's credentials, with the token of its last login."""

    def __init__(self, auth: Auth, source: str) -> None:
        self._auth = auth
        self._source = source
        #: Empty before the first login.
        self.token = ""
        #: Every secret that was sent: its file may have changed since.
        self._sent: set[str] = set()

    def reveal(self, secret: Secret) -> str:
        """Return a secret as it is now, to be sent. Raises SourceRefused."""
        value = reveal(secret, self._source)
        self._sent.add(value)
        return value

    @property
    def log_in(self) -> bool:
        """Return whether a token is requested before the first question."""
        return isinstance(self._auth, TokenAuth | Oauth2Auth)

    def request_auth(self) -> AuthBase | None:
        """Return what is added to each request; None without a login."""
        match self._auth:
            case BasicAuth(user=user, password=password):
                return HTTPBasicAuth(user.encode(), self.reveal(password).encode())
            case BearerAuth(token=token):
                return _Header("Authorization", f"Bearer {self.reveal(token)}")
            case HeaderAuth(name=name, value=value, prefix=prefix):
                return _Header(name, prefix + self.reveal(value))
            case TokenAuth(param=param) if param:
                return _Param(param, self.token)
            case TokenAuth(token=path, header=name, prefix=prefix) if path:
                return _Header(name, prefix + self.token)
            case Oauth2Auth():
                return _Header("Authorization", f"Bearer {self.token}")
            case _:
                return None

    @property
    def account(self) -> str:
        """Return the account's name, where the settings file has it in plain text; else an empty text."""
        match self._auth:
            case BasicAuth(user=user):
                name = user
            case Oauth2Auth(client_id=client):
                name = client
            case TokenAuth(send=send):
                name = ", ".join(value for key, value in send.items() if key != "grant_type")
            case _:
                name = ""
        return name[:80]

    def masked(self, value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Return a value without secrets. Call this before the value is quoted, which can change a secret."""
        if isinstance(value, dict):
            return {self.masked(name): self.masked(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.masked(inner) for inner in value]
        if isinstance(value, str):
            for secret in sorted(self._secrets(), key=len, reverse=True):
                value = value.replace(secret, "…")
            # The token of another connection of ours is as secret as this one's.
            return _CREDENTIAL.sub(r"\1 …", value)
        return value

    def _secrets(self) -> list[str]:
        """Return the secrets that a system can repeat in its answers."""
        auth = self._auth
        bare = [secret for secret in (self.token, *self._sent) if secret]
        if isinstance(auth, BasicAuth):
            # In the form of the header.
            bare += [base64.b64encode(f"{auth.user}:{word}".encode()).decode("ascii") for word in self._sent]
        # An address repeats them in its encoding.
        return [*bare, *(quote(secret, safe="") for secret in bare), *(quote_plus(secret) for secret in bare)]


class _Header(AuthBase):
    """Adds one header to each request."""

    def __init__(self, name: str, value: str) -> None:
        self._name = name
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers[self._name] = self._value
        return request


class _Param(AuthBase):
    """Adds one parameter to each request."""

    def __init__(self, name: str, value: str) -> None:
        self._name = name
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.prepare_url(request.url or "", {self._name: self._value})
        return request
