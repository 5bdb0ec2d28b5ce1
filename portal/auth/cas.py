"""CAS 3.0: where people sign in, what the server says about a ticket, and when it says that they have left.

What it says is read strictly: the one shape the protocol gives it, and nothing beside it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode
from xml.etree.ElementTree import Element, TreeBuilder

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser, ParseError

from config.providers import Cas
from portal.auth.asking import Asker
from portal.auth.refusals import SignInRefused, Why

METHOD = "cas"

_NS = "{http://www.yale.edu/tp/cas}"
_SAMLP = "{urn:oasis:names:tc:SAML:2.0:protocol}"

#: What the protocol lets a ticket look like.
_TICKET = re.compile(r"ST-[A-Za-z0-9._~-]{1,253}", re.ASCII)


class Untrusted(Exception):  # noqa: N818 - named by what is so
    """An answer that is not what the protocol lets a server say."""


class Denied(Exception):  # noqa: N818 - named by what is so
    """The server's own no; the text is its code."""


@dataclass(frozen=True, slots=True)
class CasUser:
    """Whom a ticket stands for."""

    user: str
    attributes: Mapping[str, Sequence[str]]


def read_answer(body: bytes) -> CasUser:
    """Return whom a validated ticket stands for. Raises Denied for a failure, Untrusted for anything else."""
    root = _parsed(body)
    if root.tag != f"{_NS}serviceResponse" or len(root) != 1:
        raise Untrusted("it is no service response with one answer")
    (answer,) = root
    if answer.tag == f"{_NS}authenticationFailure":
        if len(answer):
            raise Untrusted("a failure holds elements")
        raise Denied(re.sub(r"[^A-Z_]", "", answer.get("code", ""))[:40] or "no code")
    if answer.tag != f"{_NS}authenticationSuccess":
        raise Untrusted("it is neither success nor failure")
    named: dict[str, Element] = {}
    for child in answer:
        # Some servers say each attribute a second time, in an older way that nobody here reads.
        if child.tag == f"{_NS}attribute" and not _text(child):
            continue
        if child.tag not in (f"{_NS}user", f"{_NS}attributes") or child.tag in named:
            raise Untrusted("a success holds something else, or something twice")
        named[child.tag] = child
    if f"{_NS}user" not in named:
        raise Untrusted("a success without a user")
    attributes: dict[str, list[str]] = {}
    for child in named.get(f"{_NS}attributes", ()):
        if not child.tag.startswith(_NS):
            raise Untrusted("an attribute of another namespace")
        attributes.setdefault(child.tag.removeprefix(_NS), []).append(_text(child))
    user = _text(named[f"{_NS}user"])
    if not user:
        raise Untrusted("a user without a name")
    return CasUser(user, attributes)


def read_logout(text: str) -> str:
    """Return the ticket whose session the server says has ended. Raises Untrusted."""
    root = _parsed(text.encode())
    indexes = [child for child in root if child.tag == f"{_SAMLP}SessionIndex"]
    if root.tag != f"{_SAMLP}LogoutRequest" or len(indexes) != 1:
        raise Untrusted("it is no logout request about one session")
    return plausible_ticket(_text(indexes[0]))


def plausible_ticket(text: str) -> str:
    """Return a service ticket as it is. Raises Untrusted for what can be none."""
    if not _TICKET.fullmatch(text):
        raise Untrusted("it looks like no service ticket")
    return text


def _parsed(body: bytes) -> Element:
    # Comments and instructions are kept, so that none can part a name in two unseen.
    builder = TreeBuilder(insert_comments=True, insert_pis=True)
    parser = DefusedXMLParser(target=builder, forbid_dtd=True)
    try:
        parser.feed(body)
        root: Element = parser.close()
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise Untrusted(f"it is no plain XML ({type(error).__name__})") from None
    for element in root.iter():
        if not isinstance(element.tag, str):
            raise Untrusted("it holds a comment or an instruction")
        if len(element) and (element.text or "").strip():
            raise Untrusted("it holds text beside elements")
        if (element.tail or "").strip() and element is not root:
            raise Untrusted("it holds text beside elements")
    return root


def _text(element: Element) -> str:
    if len(element):
        raise Untrusted("a text holds elements")
    return (element.text or "").strip()


class CasServer:
    """The CAS server of the settings."""

    def __init__(self, settings: Cas) -> None:
        self.url = settings.url
        self._settings = settings
        self._asker = Asker(METHOD, settings.ca_file)

    def login_address(self, service: str) -> str:
        """Return where people sign in, to be sent back to `service` with a ticket."""
        return f"{self._settings.url}/login?{urlencode({'service': service})}"

    def logout_address(self, service: str) -> str:
        """Return where people sign out, with the way back to `service`."""
        return f"{self._settings.url}/logout?{urlencode({'service': service})}"

    def name_of(self, ticket: str, service: str) -> str:
        """Return the name that the server says a ticket for this very service stands for. Raises SignInRefused."""
        address = f"{self._settings.url}{self._settings.validation}"
        try:
            plausible_ticket(ticket)
            said = read_answer(self._asker.get(address, {"service": service, "ticket": ticket}))
        except Denied as error:
            raise SignInRefused(METHOD, Why.REFUSED, f"{address} does not know the ticket: {error}") from None
        except Untrusted as error:
            raise SignInRefused(METHOD, Why.REFUSED, f"what {address} said cannot be trusted: {error}") from None
        if not self._settings.attribute:
            return said.user
        names = said.attributes.get(self._settings.attribute, ())
        if len(names) != 1 or not names[0]:
            raise SignInRefused(
                METHOD,
                Why.REFUSED,
                f'{address} said {len(names)} of the attribute "{self._settings.attribute}". '
                "Have the CAS server release it to this service, once for each person; or name another in [auth.cas].",
                said.user,
            )
        return names[0]
