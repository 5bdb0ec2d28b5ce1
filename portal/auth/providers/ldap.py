"""LDAP: the directory is searched for the sign-in name, then a bind with the person's own password checks it."""

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
from foundation.translation import tr
from portal.auth.domains import stripped, without_domain
from portal.auth.refusals import SignInCode, SignInRefused, printable
from status_db.accounts.accounts import normalise_account

METHOD = "ldap"

_DATA = re.compile(r"AcceptSecurityContext error, data ([0-9a-f]+)\b", re.IGNORECASE)


class _Tls(ldap3.Tls):  # type: ignore[misc]  # its package has no types
    """TLS with Python's own defaults: ldap3 itself would compare the host with the certificate only afterwards."""

    def wrap_socket(self, connection: ldap3.Connection, do_handshake: bool = True) -> None:  # noqa: ARG002, FBT001, FBT002 - as ldap3 calls it
        """Encrypt a connection's socket, after the certificate is found to be for the host in the settings."""
        context = ssl.create_default_context(cafile=self.ca_certs_file)
        connection.socket = context.wrap_socket(connection.socket, server_hostname=connection.server.host)


class LdapDirectory:
    """The directory of the settings."""

    def __init__(self, settings: Ldap) -> None:
        self._settings = settings

    def name_of(self, account: str, password: str) -> str | None:
        """Return the name here of the person with this password; None if the account is unknown or the password wrong.

        Raises SignInRefused if the directory does not respond, or its entries do not match the settings.
        """
        if not account or not password:
            # A directory accepts every bind with an empty password, as an anonymous one.
            return None
        own = self._settings
        try:
            searcher = own.bind_password.reveal() if own.bind_password else ""
            with self._bound(own.bind_dn, searcher) as connection:
                found = self._find_person(connection, account)
        except SecretUnusable as error:
            raise self._unavailable(tr("cannot be searched: {error}", error=error)) from None
        except LDAPException as error:
            raise self._unavailable(
                tr("cannot be searched ({error}). {fix}", error=_error_text(error), fix=self._remedy(error))
            ) from None
        if found is None:
            return None
        dn, name = found
        try:
            with self._bound(dn, password):
                return without_domain(METHOD, name, own.strip_domain)
        except LDAPInvalidCredentialsResult as error:
            code = _DATA.search(str(error.message or ""))
            reason = _reason_of(code[1]) if code else ""
            if not reason:
                return None
            raise self._refused(dn, name, reason) from None
        except LDAPOperationResult as error:
            # The directory itself refuses, for example a locked or expired account.
            raise self._refused(dn, name, _error_text(error)) from None
        except LDAPException as error:
            raise self._unavailable(
                tr("did not respond ({error}). {fix}", error=_error_text(error), fix=self._remedy(error))
            ) from None

    def _find_person(self, connection: ldap3.Connection, account: str) -> tuple[str, str] | None:
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
                tr(
                    'has several entries for the sign-in name "{account}" with {search} below {base}. Make search or '
                    "base in [auth.ldap] narrower.",
                    account=printable(account, 100),
                    search=own.search,
                    base=own.base,
                )
            )
        values = [str(value) for value in _as_list(entries[0]["attributes"].get(own.attribute))]
        # If there are several names, the one that was typed counts.
        typed = [value for value in values if account in self._accepted_names(value)]
        names = values if len(values) == 1 else typed
        if len(names) != 1:
            dn = printable(str(entries[0]["dn"]), 200)
            raise self._unavailable(self._values_text(len(values), dn))
        return str(entries[0]["dn"]), names[0]

    @contextmanager
    def _bound(self, dn: str, password: str) -> Iterator[ldap3.Connection]:
        """Return a connection that is bound with this name and password; without a name, an anonymous one."""
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
            # A referral would send the password to another server.
            auto_referrals=False,
            read_only=True,
            raise_exceptions=True,
            receive_timeout=seconds,
        )
        try:
            connection.open(read_server_info=False)
            if own.start_tls and not connection.start_tls(read_server_info=False):
                raise self._unavailable(
                    tr("does not start TLS. Set url in [auth.ldap] to ldaps://…, or have the directory offer StartTLS.")
                )
            if not connection.bind(read_server_info=False):
                raise self._unavailable(tr("refuses every bind. Check its own log."))
            yield connection
        finally:
            # An earlier error is more useful than a failed unbind.
            with suppress(LDAPException):
                connection.unbind()
            if connection.socket is not None:
                # ldap3 leaves a socket open that was never connected.
                connection.socket.close()

    def _accepted_names(self, value: str) -> set[str]:
        """Return the sign-in names that match this value: with the domain, and without it."""
        return {normalise_account(value), normalise_account(stripped(value, self._settings.strip_domain) or value)}

    def _remedy(self, error: Exception) -> str:
        """Return the fix for this kind of error."""
        own, kind = self._settings, type(error).__name__
        if isinstance(error, LDAPInvalidCredentialsResult):
            return tr(
                "Compare bind_dn ({bind_dn}) and bind_password in [auth.ldap].", bind_dn=own.bind_dn or tr("none")
            )
        if isinstance(error, LDAPInsufficientAccessRightsResult):
            who = own.bind_dn or tr("anonymous clients, or a bind_dn,")
            return tr(
                "Allow {who} to search {base} and read {attribute}.", who=who, base=own.base, attribute=own.attribute
            )
        if isinstance(error, LDAPNoSuchObjectResult):
            return tr(
                "Compare base in [auth.ldap], {base}, with the location of people's entries there.", base=own.base
            )
        if isinstance(error, LDAPOperationResult):
            return tr(
                "Check base, search and attribute in [auth.ldap]; the search ran as {bind_dn}.",
                bind_dn=own.bind_dn or tr("anonymous"),
            )
        if "CERTIFICATE_VERIFY_FAILED" in str(error) or "ssl" in str(error).lower():
            return tr(
                "Its certificate is not trusted here, or is for another host: set ca_file to its authority's file."
            )
        if kind in ("LDAPSocketOpenError", "LDAPSocketReceiveError", "LDAPSocketSendError"):
            return tr(
                "Check that it is running, that this machine can resolve its name, and that no firewall blocks it."
            )
        return tr("Check the directory's own log.")

    def _values_text(self, count: int, dn: str) -> str:
        values = {"count": count, "attribute": self._settings.attribute, "dn": dn}
        if self._settings.bind_dn:
            return tr(
                'returned {count} values of "{attribute}" for {dn}. Set another attribute in [auth.ldap], or allow the '
                "searching account to read it.",
                **values,
            )
        return tr(
            'returned {count} values of "{attribute}" for {dn}, to an anonymous search. Set another attribute in '
            "[auth.ldap], or allow the searching account to read it.",
            **values,
        )

    def _refused(self, dn: str, name: str, reason: str) -> SignInRefused:
        return SignInRefused(
            METHOD,
            SignInCode.REFUSED,
            tr(
                "the directory {url} refused {dn}: {reason}. Check that account there.",
                url=self._settings.url,
                dn=printable(dn, 200),
                reason=reason,
            ),
            name,
        )

    def _unavailable(self, what: str) -> SignInRefused:
        return SignInRefused(
            METHOD, SignInCode.UNAVAILABLE, tr("the directory {url} {what}", url=self._settings.url, what=what)
        )


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _error_text(error: Exception) -> str:
    # Its longer texts may repeat the request.
    return str(getattr(error, "description", "") or type(error).__name__)


def _reason_of(code: str) -> str:
    """Return why an account with the right password cannot sign in, by Active Directory's code; empty for another code.

    775, a locked account, is left out: it is also sent for a wrong password, so it must not reveal whether the password
    was correct.
    """
    return {
        "530": tr("the account is not allowed to sign in at this hour"),
        "531": tr("the account is not allowed to sign in from this machine"),
        "532": tr("the password has expired"),
        "533": tr("the account is disabled"),
        "701": tr("the account has expired"),
        "773": tr("the person must set a new password there first"),
    }.get(code, "")
