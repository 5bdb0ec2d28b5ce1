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

    #: The network address on this machine at which the pages are served.
    host: str = "127.0.0.1"
    #: The port of the pages.
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    #: The number of processes.
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    #: The address for users, such as `"https://clearance.example.edu.cn"`; it may have a path, such as
    #: `"https://www.example.edu.cn/leave"`. With https, cookies and browsers are bound to it.
    public_url: Text = ""
    #: The address for staff, where `serve desk` is a process of its own: it sends students to `public_url`, and the
    #: students' pages send staff here.
    desk_public_url: Text = ""
    #: Addresses or networks of the proxies in front, which send X-Forwarded-For. Without them all visitors behind a
    #: proxy share its address: a proxy on this machine is not counted, another counts as one visitor. `check` and
    #: `serve` warn.
    proxies: list[str] = []
    #: The key of one-time codes, slips and second factors, created when first needed; keep a copy.
    key_file: FilePath = Field(default=Path("desk.key"), validate_default=True)
    #: The time between two rechecks that a student requests.
    recheck_pause: Span = timedelta(minutes=10)
    #: How many rechecks a student can request in 24 hours.
    recheck_day_limit: Annotated[int, Field(ge=1)] = 10
    #: The limits of one process.
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

    #: Accounts have passwords of their own; see [accounts.md](accounts.md).
    local: bool = True
    #: How long a one-time code is valid.
    code_lasts: Span = timedelta(days=14)
    #: `"first"`: a student can set the first password with the number of the identity document; `"forgotten"`: a
    #: forgotten one too. Read [the risk](accounts.md#with-the-number-of-an-identity-document) first.
    identity: Literal["off", "first", "forgotten"] = "off"
    #: `"strict"`: accounts are locked after failures, passwords expire, all staff need a second factor; see
    #: [accounts.md](accounts.md#the-strict-profile).
    profile: Literal["ordinary", "strict"] = "ordinary"
    #: Which accounts need a [second factor](accounts.md#second-factors): `"privileged"`, those that can manage, review
    #: or issue; `"staff"`, all staff and all accounts with a grant; `"off"`, none, and `clearance check` warns.
    #: `profile = "strict"` always means `"staff"`.
    second_factor: Literal["privileged", "staff", "off"] = "privileged"
    #: On the pages, [grants to act](administrators.md#accounts-and-grants) need a second administrator; `false`: one is
    #: enough, and the pages and `clearance check` warn.
    second_administrator: bool = True
    #: Strict profile: after this many failures in a row an account is locked.
    lock_after: Annotated[int, Field(ge=3)] = 10
    #: Strict profile: an account is locked for this long, or until an administrator unlocks it.
    lock_for: Span = timedelta(minutes=30)
    #: Strict profile: after this long a new password must be set.
    password_lasts: Span = timedelta(days=90)
    #: A session ends after this long without a request.
    session_idle: Span = timedelta(minutes=30)
    #: A session ends after this long in any case.
    session_longest: Span = timedelta(hours=12)
    #: Sign-in by a CAS server.
    cas: Cas | None = None
    #: Sign-in by an OpenID provider.
    oidc: Oidc | None = None
    #: Sign-in with the password of a directory.
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
    """What other programs can read and request, each with a token."""

    #: `false`: the [API](api.md) is off.
    enabled: bool = True
    #: Origins of pages that can ask from a browser, such as `["https://portal.example.edu"]`.
    origins: list[Annotated[str, Field(pattern=r"^https?://[^/?#\s*]+$")]] = []
    #: Requests a minute for each token.
    rate: Annotated[int, Field(ge=1)] = 600
    #: [Rechecks](api.md#when-somebody-has-just-paid) a minute that each token can request of each process
    #: of the pages.
    recheck_rate: Annotated[int, Field(ge=1)] = 60
    #: The time between two rechecks that a program requests of one student at one source.
    recheck_pause: Span = timedelta(seconds=10)
