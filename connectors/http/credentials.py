"""What a source over the web is asked with: whose name, what each request carries, and what nobody may read."""

import base64
import re
from typing import Any
from urllib.parse import quote, quote_plus

import requests
from requests.auth import AuthBase, HTTPBasicAuth

from config.tables.secrets import Secret
from connectors.http.settings import Auth, BasicAuth, BearerAuth, HeaderAuth, Oauth2Auth, TokenAuth
from connectors.own_keys.secrets import reveal

#: A credential as it stands in a header, whoever has it.
_CREDENTIAL = re.compile(r"\b(Bearer|Basic)\s+(?=[a-z]*[^a-z\s])[\w.~+/=-]{6,}", re.ASCII | re.IGNORECASE)


class Credentials:
    """A source's own, with the token of its last login."""

    def __init__(self, auth: Auth, source: str) -> None:
        self._auth = auth
        self._source = source
        #: Empty before the first login.
        self.token = ""
        #: Every secret that was sent: a file may hold another one since.
        self._sent: set[str] = set()

    def reveal(self, secret: Secret) -> str:
        """Return a secret as it is now, to be sent. Raises SourceRefused."""
        value = reveal(secret, self._source)
        self._sent.add(value)
        return value

    @property
    def log_in(self) -> bool:
        """Say whether a token is fetched before anything is asked."""
        return isinstance(self._auth, TokenAuth | Oauth2Auth)

    def of_request(self) -> AuthBase | None:
        """Return what is put on each request; None where the address asks for nothing."""
        match self._auth:
            case BasicAuth(user=user, password=password):
                return HTTPBasicAuth(user.encode(), self.reveal(password).encode())
            case BearerAuth(token=token):
                return _Header("Authorization", f"Bearer {self.reveal(token)}")
            case HeaderAuth(name=name, value=value, prefix=prefix):
                return _Header(name, prefix + self.reveal(value))
            case TokenAuth(param=param) if param:
                return _Param(param, self.token)
            case TokenAuth(token=place, header=name, prefix=prefix) if place:
                return _Header(name, prefix + self.token)
            case Oauth2Auth():
                return _Header("Authorization", f"Bearer {self.token}")
            case _:
                return None

    @property
    def as_whom(self) -> str:
        """Return the name it is asked with, as far as the settings file has it in plain; empty where it does not."""
        match self._auth:
            case BasicAuth(user=user):
                who = user
            case Oauth2Auth(client_id=client):
                who = client
            case TokenAuth(send=send):
                who = ", ".join(value for name, value in send.items() if name != "grant_type")
            case _:
                who = ""
        return who[:80]

    def masked(self, said: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Return words without any secret in them; before they are quoted, which may spell a secret in another way."""
        if isinstance(said, dict):
            return {self.masked(name): self.masked(value) for name, value in said.items()}
        if isinstance(said, list):
            return [self.masked(value) for value in said]
        if isinstance(said, str):
            for secret in sorted(self._secrets(), key=len, reverse=True):
                said = said.replace(secret, "…")
            # A token that another connection of ours has got is as secret as this one's.
            return _CREDENTIAL.sub(r"\1 …", said)
        return said

    def _secrets(self) -> list[str]:
        """Return what a system may repeat in its answers, and nobody may read."""
        auth = self._auth
        bare = [secret for secret in (self.token, *self._sent) if secret]
        if isinstance(auth, BasicAuth):
            # As it travels, in the header.
            bare += [base64.b64encode(f"{auth.user}:{word}".encode()).decode("ascii") for word in self._sent]
        # An address repeats them in its own spelling.
        return [*bare, *(quote(secret, safe="") for secret in bare), *(quote_plus(secret) for secret in bare)]


class _Header(AuthBase):
    """Puts one header on each request."""

    def __init__(self, name: str, value: str) -> None:
        self._name = name
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers[self._name] = self._value
        return request


class _Param(AuthBase):
    """Puts one parameter on each request."""

    def __init__(self, name: str, value: str) -> None:
        self._name = name
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.prepare_url(request.url or "", {self._name: self._value})
        return request
