"""The configured sign-in providers: one object for each one in the settings."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from config.tables.portal import Auth
from portal.auth.providers.cas import CasServer
from portal.auth.providers.oidc import OidcProvider

if TYPE_CHECKING:
    from portal.auth.providers.ldap import LdapDirectory


@dataclass(frozen=True, slots=True)
class Providers:
    """The providers; None for one that the settings do not name."""

    cas: CasServer | None
    oidc: OidcProvider | None
    directory: "LdapDirectory | None"

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
        )
