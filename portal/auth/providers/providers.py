"""The configured sign-in providers: one object for each one in the settings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from config.tables.portal import Auth
from portal.auth.providers.cas import CasServer
from portal.auth.providers.dingtalk import DingtalkProvider
from portal.auth.providers.messenger import Messenger
from portal.auth.providers.oidc import OidcProvider
from portal.auth.providers.wecom import WecomProvider

if TYPE_CHECKING:
    from portal.auth.providers.ldap import LdapDirectory


class ReachableProvider(Protocol):
    """A provider that can be tried before anybody signs in."""

    def reach(self, public_url: str, now: datetime, /) -> None:
        """Ask the provider something that signs no one in. Raises SignInRefused where its answer is wrong."""


@dataclass(frozen=True, slots=True)
class Providers:
    """The providers; None for one that the settings do not name."""

    cas: CasServer | None
    oidc: OidcProvider | None
    directory: "LdapDirectory | None"
    #: WeCom and DingTalk, by the name of their table.
    messengers: Mapping[str, Messenger] = field(default_factory=dict)

    @classmethod
    def of(cls, auth: Auth) -> "Providers":
        """Return the providers in the settings. No request is sent yet."""
        directory = None
        if auth.ldap:
            # Only an installation with a directory needs its library.
            from portal.auth.providers.ldap import LdapDirectory  # noqa: PLC0415

            directory = LdapDirectory(auth.ldap)
        return cls(
            cas=CasServer(auth.cas) if auth.cas else None,
            oidc=OidcProvider(auth.oidc) if auth.oidc else None,
            directory=directory,
            messengers={
                **({"wecom": WecomProvider(auth.wecom)} if auth.wecom else {}),
                **({"dingtalk": DingtalkProvider(auth.dingtalk)} if auth.dingtalk else {}),
            },
        )

    def each(self) -> "Iterator[ReachableProvider]":
        """Yield the providers that are configured."""
        yield from (found for found in (self.cas, self.oidc, self.directory) if found is not None)
        yield from self.messengers.values()
