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
from foundation.translation import tr


class Portal(Table):
    """Where and how the pages are served."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    #: The address that users enter; needed behind a proxy. Cookies are marked Secure if it is https.
    public_url: Text = ""
    #: The address that staff enter if `serve desk` is a process of its own; empty means `public_url`.
    desk_public_url: Text = ""
    #: Addresses of proxies whose X-Forwarded-For header is trusted.
    proxies: list[str] = []
    #: The key of keyed hashes, sealed secrets and slips; created when it is first needed.
    key_file: FilePath = Field(default=Path("desk.key"), validate_default=True)
    #: How long a student waits between two rechecks, and how many are allowed in 24 hours.
    recheck_pause: Span = timedelta(minutes=10)
    recheck_day_limit: Annotated[int, Field(ge=1)] = 10
    #: Limits of one process.
    limits: PortalLimits = PortalLimits()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return the settings by which visitors can be counted under a wrong address, each with the fix."""
        fix = tr('Name the proxy, such as proxies = ["127.0.0.1"]')
        if "*" in self.proxies:
            return (
                tr(
                    '[portal] proxies = ["*"]: visitors can forge the address that failures are counted by. {fix}',
                    fix=fix,
                ),
            )
        if self.public_url and not self.proxies:
            # Behind a proxy all visitors have its address.
            return (
                tr(
                    "[portal] proxies is not set: login failures behind a proxy are not throttled by address. {fix}",
                    fix=fix,
                ),
            )
        return ()


class Auth(Table):
    """How users sign in."""

    local: bool = True
    #: How long a one-time code for setting a password is valid.
    code_lasts: Span = timedelta(days=14)
    #: Students can set their first password, or also a forgotten one, with the number of their identity document.
    identity: Literal["off", "first", "forgotten"] = "off"
    #: "strict" locks accounts after failures, makes passwords expire, and asks all staff for a second factor.
    profile: Literal["ordinary", "strict"] = "ordinary"
    #: Who needs a second factor: accounts that can manage, review or issue; all staff and holders of a grant; or none.
    second_factor: Literal["privileged", "staff", "off"] = "privileged"
    #: On the pages, grants to decide, review, issue and manage, and codes for their holders, need two administrators.
    second_administrator: bool = True
    #: Strict profile: failures in a row that lock an account, how long it is locked, and how long a password is valid.
    lock_after: Annotated[int, Field(ge=3)] = 10
    lock_for: Span = timedelta(minutes=30)
    password_lasts: Span = timedelta(days=90)
    #: A session ends after this long without a click, and after `session_longest` in any case.
    session_idle: Span = timedelta(minutes=30)
    session_longest: Span = timedelta(hours=12)
    #: Providers of the institution; they can be combined.
    cas: Cas | None = None
    oidc: Oidc | None = None
    ldap: Ldap | None = None

    @property
    def asks_second_factor_of(self) -> Literal["privileged", "staff", "off"]:
        """Who needs a second factor; the strict profile asks all staff."""
        return "staff" if self.profile == "strict" else self.second_factor

    @property
    def takes_passwords(self) -> bool:
        """Whether there is a password form: for local passwords, or for the directory's."""
        return self.local or self.ldap is not None


class Api(Table):
    """What other programs can read, each with a token."""

    enabled: bool = True
    #: Origins whose pages can call the API from a browser.
    origins: list[Annotated[str, Field(pattern=r"^https?://[^/?#\s*]+$")]] = []
    #: Requests a minute for each token.
    rate: Annotated[int, Field(ge=1)] = 600
