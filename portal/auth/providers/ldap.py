"""LDAP: somebody is searched for by their sign-in name; their own password then opens the directory, or does not."""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import ldap3
from ldap3.core.exceptions import (
    LDAPException,
    LDAPInsufficientAccessRightsResult,
    LDAPInvalidCredentialsResult,
    LDAPNoSuchObjectResult,
    LDAPOperationResult,
)
from ldap3.utils.conv import escape_filter_chars

from config.tables.providers import Ldap
from config.tables.secrets import SecretUnusable
from portal.auth.domains import stripped, without_domain
from portal.auth.refusals import SignInCode, SignInRefused, printable
from status_db.accounts.accounts import normalise_account

METHOD = "ldap"

#: Active Directory's codes for a right password that opens nothing. 775, a locked account, is left out: it comes with a
#: wrong password, too, and would say whether the password was right.
_OF_RIGHT_PASSWORDS = {
    "530": "the account may not be used at this hour",
    "531": "the account may not be used from here",
    "532": "the password has expired",
    "533": "the account has been shut",
    "701": "the account has expired",
    "773": "a new password must be set there first",
}
_DATA = re.compile(r"AcceptSecurityContext error, data ([0-9a-f]+)\b", re.IGNORECASE)


class _Tls(ldap3.Tls):  # type: ignore[misc]  # its package has no types
    """Encryption by Python's own defaults: ldap3 would compare the host with the certificate by itself, afterwards."""

    def wrap_socket(self, connection: ldap3.Connection, do_handshake: bool = True) -> None:  # noqa: ARG002, FBT001, FBT002 - as ldap3 calls it
        """Encrypt a connection's socket, once the other side has shown that it is the host of the settings."""
        context = ssl.create_default_context(cafile=self.ca_certs_file)
        connection.socket = context.wrap_socket(connection.socket, server_hostname=connection.server.host)


class LdapDirectory:
    """The directory of the settings."""

    def __init__(self, settings: Ldap) -> None:
        self._settings = settings

    def name_of(self, account: str, password: str) -> str | None:
        """Return the name here of whom this password belongs to; None when it is nobody's, or wrong.

        Raises SignInRefused when the directory does not answer, or not as the settings say.
        """
        if not account or not password:
            # With an empty password a directory says yes to anybody: it takes that for somebody who gives no name.
            return None
        own = self._settings
        try:
            searcher = own.bind_password.reveal() if own.bind_password else ""
            with self._bound(own.bind_dn, searcher) as connection:
                found = self._found(connection, account)
        except SecretUnusable as error:
            raise self._unavailable(f"cannot be searched: {error}") from None
        except LDAPException as error:
            raise self._unavailable(f"cannot be searched ({_said(error)}). {self._remedy(error)}") from None
        if found is None:
            return None
        dn, name = found
        try:
            with self._bound(dn, password):
                return without_domain(METHOD, name, own.strip_domain)
        except LDAPInvalidCredentialsResult as error:
            code = _DATA.search(str(error.message or ""))
            reason = _OF_RIGHT_PASSWORDS.get(code[1]) if code else None
            if reason is None:
                return None
            raise self._refused(dn, name, reason) from None
        except LDAPOperationResult as error:
            # A locked or expired account is the directory's own no.
            raise self._refused(dn, name, _said(error)) from None
        except LDAPException as error:
            raise self._unavailable(f"does not answer ({_said(error)}). {self._remedy(error)}") from None

    def _found(self, connection: ldap3.Connection, account: str) -> tuple[str, str] | None:
        own = self._settings
        connection.search(
            own.base,
            own.search.replace("{account}", escape_filter_chars(account)),
            attributes=[own.attribute],
            size_limit=2,
            time_limit=int(own.timeout.total_seconds()),
        )
        entries = [entry for entry in connection.response or () if entry.get("type") == "searchResEntry"]
        if not entries:
            return None
        if len(entries) > 1:
            raise self._unavailable(
                f'knows several by the sign-in name "{printable(account, 100)}" with {own.search} below {own.base}. '
                "Make search or base in [auth.ldap] narrower."
            )
        values = [str(value) for value in _listed(entries[0]["attributes"].get(own.attribute))]
        # Of several names it is the one that was typed.
        typed = [value for value in values if account in self._names(value)]
        names = values if len(values) == 1 else typed
        if len(names) != 1:
            dn = printable(str(entries[0]["dn"]), 200)
            raise self._unavailable(
                f'gives {len(values)} values of "{own.attribute}" for {dn}'
                f"{'' if own.bind_dn else ', to an anonymous search'}. Name another as attribute in [auth.ldap], "
                "or let the one who searches read it."
            )
        return str(entries[0]["dn"]), names[0]

    @contextmanager
    def _bound(self, dn: str, password: str) -> Iterator[ldap3.Connection]:
        """Give a connection that this name and password have opened; without a name, one for nobody in particular."""
        own = self._settings
        seconds = int(own.timeout.total_seconds())
        url = urlsplit(own.url)
        tls = _Tls(ca_certs_file=str(own.ca_file) if own.ca_file else None)
        server = ldap3.Server(
            url.hostname,
            url.port,
            use_ssl=url.scheme == "ldaps",
            tls=tls,
            get_info=ldap3.NONE,
            connect_timeout=seconds,
        )
        connection = ldap3.Connection(
            server,
            user=dn or None,
            password=password or None,
            auto_bind=ldap3.AUTO_BIND_NONE,
            # It would lead elsewhere with the password.
            auto_referrals=False,
            read_only=True,
            raise_exceptions=True,
            receive_timeout=seconds,
        )
        try:
            connection.open(read_server_info=False)
            if own.start_tls and not connection.start_tls(read_server_info=False):
                raise self._unavailable(
                    "does not start TLS. Write ldaps://… as url in [auth.ldap], or have it offer StartTLS."
                )
            if not connection.bind(read_server_info=False):
                raise self._unavailable("lets nobody in. Look into its own log.")
            yield connection
        finally:
            # What went wrong before says more than that a goodbye is not heard, too.
            with suppress(LDAPException):
                connection.unbind()
            if connection.socket is not None:
                # One that was never connected is left open by ldap3.
                connection.socket.close()

    def _names(self, value: str) -> set[str]:
        """Return what somebody of this value may have typed: with the domain, or without it."""
        return {normalise_account(value), normalise_account(stripped(value, self._settings.strip_domain) or value)}

    def _remedy(self, error: Exception) -> str:
        """Say what may help, by what kind of error it is."""
        own, kind = self._settings, type(error).__name__
        if isinstance(error, LDAPInvalidCredentialsResult):
            return f"Compare bind_dn ({own.bind_dn or 'none'}) and bind_password in [auth.ldap]."
        if isinstance(error, LDAPInsufficientAccessRightsResult):
            who = own.bind_dn or "somebody without a name, or a bind_dn,"
            return f"Let {who} search {own.base} and read {own.attribute}."
        if isinstance(error, LDAPNoSuchObjectResult):
            return f"Compare base in [auth.ldap], {own.base}, with where people are there."
        if isinstance(error, LDAPOperationResult):
            return f"Compare base, search and attribute in [auth.ldap]; it was asked as {own.bind_dn or 'nobody'}."
        if "CERTIFICATE_VERIFY_FAILED" in str(error) or "ssl" in str(error).lower():
            return "Its certificate is not trusted here, or for another host: name its authority's file as ca_file."
        if kind in ("LDAPSocketOpenError", "LDAPSocketReceiveError", "LDAPSocketSendError"):
            return "See whether it runs, whether this machine knows its name, and whether a firewall is in between."
        return "Look into the directory's own log."

    def _refused(self, dn: str, name: str, reason: str) -> SignInRefused:
        return SignInRefused(
            METHOD,
            SignInCode.REFUSED,
            f"the directory {self._settings.url} said no to {printable(dn, 200)}: {reason}. Look at that account "
            "there.",
            name,
        )

    def _unavailable(self, what: str) -> SignInRefused:
        return SignInRefused(METHOD, SignInCode.UNAVAILABLE, f"the directory {self._settings.url} {what}")


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _said(error: Exception) -> str:
    # Its longer texts may repeat what was asked.
    return str(getattr(error, "description", "") or type(error).__name__)
