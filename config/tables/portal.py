"""Tables of the pages, of sign-in and of the API."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    Field,
)

from config.tables.base import Span, Table
from config.tables.limits import PortalLimits
from config.tables.providers import Cas, Ldap, Oidc
from config.tables.secrets import FilePath, Text


class Portal(Table):
    """Where the pages are served."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    #: The address people type; needed behind a proxy, and the reason cookies are marked Secure when it is https.
    public_url: Text = ""
    #: The address that staff type, where `serve desk` is a process of its own; the students' where it is empty.
    desk_public_url: Text = ""
    #: The addresses of proxies that say for whom they ask (X-Forwarded-For); nobody else is believed.
    proxies: list[str] = []
    #: What keyed hashes, sealed secrets and slips are made with; made when it is first needed.
    key_file: FilePath = Field(default=Path("desk.key"), validate_default=True)
    #: A student may have the sources asked again after this long, and so many times in 24 hours.
    recheck_pause: Span = timedelta(minutes=10)
    recheck_day_limit: Annotated[int, Field(ge=1)] = 10
    #: What one process takes at once.
    limits: PortalLimits = PortalLimits()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Say what of these settings lets visitors be counted as somebody else, each with the fix."""
        name_it = 'Name the proxy, such as proxies = ["127.0.0.1"]'
        if "*" in self.proxies:
            return (
                f'[portal] proxies = ["*"]: every visitor chooses the address that guesses are counted by. {name_it}',
            )
        if self.public_url and not self.proxies:
            # Behind a proxy everybody has its address.
            return (f"[portal] proxies is not set: guesses are not slowed down by address behind a proxy. {name_it}",)
        return ()


class Auth(Table):
    """How people sign in."""

    local: bool = True
    #: How long a one-time code, with which somebody sets a password, is good for.
    code_lasts: Span = timedelta(days=14)
    #: A student may set the first password, or a forgotten one too, with the number of the identity document.
    identity: Literal["off", "first", "forgotten"] = "off"
    #: "strict" locks accounts after failures, has passwords changed, and asks all staff for a second factor.
    profile: Literal["ordinary", "strict"] = "ordinary"
    #: Who shows a second factor: whoever may manage, review or issue; all staff, and whoever has a grant; or nobody.
    second_factor: Literal["privileged", "staff", "off"] = "privileged"
    #: Grants to decide, review, issue and manage, and codes for whoever has one, take two administrators on the pages.
    second_administrator: bool = True
    #: Of the strict profile: so many failures in a row lock an account, for so long; a password ends after so long.
    lock_after: Annotated[int, Field(ge=3)] = 10
    lock_for: Span = timedelta(minutes=30)
    password_lasts: Span = timedelta(days=90)
    #: A session ends after this long without a click, and after `session_longest` in any case.
    session_idle: Span = timedelta(minutes=30)
    session_longest: Span = timedelta(hours=12)
    #: Providers of the institution; each stands beside the others.
    cas: Cas | None = None
    oidc: Oidc | None = None
    ldap: Ldap | None = None

    @property
    def asks_second_factor_of(self) -> Literal["privileged", "staff", "off"]:
        """Who shows a second factor; the strict profile asks all staff."""
        return "staff" if self.profile == "strict" else self.second_factor

    @property
    def takes_passwords(self) -> bool:
        """Say whether there is a form for a password: of our own, or of the directory."""
        return self.local or self.ldap is not None


class Api(Table):
    """What other programs may read, each with a token."""

    enabled: bool = True
    #: Pages of these origins may ask from a browser; nobody else's.
    origins: list[Annotated[str, Field(pattern=r"^https?://[^/?#\s*]+$")]] = []
    #: So many requests a minute for each token.
    rate: Annotated[int, Field(ge=1)] = 600
