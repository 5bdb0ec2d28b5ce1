"""CAS 3.0: the addresses to sign in and out, the answer about a ticket, and the server's logout request.

The user is read strictly: exactly one success with one user, in the right place, in the namespace of CAS or, as some
servers send it, in none. Additions of servers are ignored unless the settings ask for them: comments, a
proxy-granting ticket, attributes in any style. The styles are those of Apereo CAS (`<cas:attributes>` with an
element for each), Casdoor (`<cas:attribute name="…">` below that), RubyCAS (elements beside the user) and of older
servers (`<cas:attribute name="…" value="…"/>`, or with a `<cas:name>` and a `<cas:value>`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode
from xml.etree.ElementTree import Element, TreeBuilder

from defusedxml.common import DefusedXmlException, DTDForbidden
from defusedxml.ElementTree import DefusedXMLParser, ParseError

from config.tables.providers import Cas
from foundation.translation import tr
from portal.auth.domains import without_domain
from portal.auth.providers import cas_words, provider_factor
from portal.auth.providers.http import ProviderClient
from portal.auth.refusals import SignInCode, SignInRefused, printable

METHOD = "cas"

_CAS = "http://www.yale.edu/tp/cas"
#: The accepted namespaces: CAS's own, or none.
_NAMESPACES = (f"{{{_CAS}}}", "")
_SAMLP = "{urn:oasis:names:tc:SAML:2.0:protocol}"

#: The forms of tickets in the protocol: a service ticket, and a proxy's.
_TICKET = re.compile(r"ST-[A-Za-z0-9._~-]{1,253}", re.ASCII)
_PROXY_TICKET = re.compile(r"PT-[A-Za-z0-9._~-]{1,253}", re.ASCII)
#: Any ticket within a sentence.
_ANY_TICKET = re.compile(r"\b(?:ST|PT|PGT|PGTIOU|TGT|TGC)-[^\s'\"<>]+")

#: A user, or a whole success, inside a text or a comment: it was injected.
_HIDDEN = re.compile(r"</?\s*(?:[\w.-]+:)?(?:user|authenticationSuccess)\b")

#: A declaration of one of the Chinese charsets, all of which are parts of GB18030.
_CHINESE = re.compile(rb"<\?xml[^>]*\bencoding\s*=\s*[\"'](gbk|gb2312|gb18030)[\"'][^>]*\?>", re.IGNORECASE)


class Untrusted(Exception):  # noqa: N818 - named by what is so
    """An answer that the protocol does not allow."""


class Tampered(Untrusted):
    """An answer in the protocol's form into which another user's name may have been injected."""


class Denied(Exception):  # noqa: N818 - named by what is so
    """The server's refusal. The text is its code, and its message without any ticket."""

    def __init__(self, code: str, words: str = "") -> None:
        super().__init__(f"{code} ({words})" if words else code)
        self.code = code


@dataclass(frozen=True, slots=True)
class CasUser:
    """The user a ticket is for."""

    user: str
    #: Each attribute with its values. An attribute in several styles counts once if the values are the same.
    attributes: Mapping[str, Sequence[str]]
    #: The proxies that passed the ticket on, the last first; empty for the browser's own ticket.
    proxies: Sequence[str] = field(default=())


@dataclass(frozen=True, slots=True)
class CasSignIn:
    """A user that the server has signed in."""

    name: str
    #: The server has asked for a second factor.
    second_factor: bool = False


def read_answer(body: bytes) -> CasUser:
    """Return the user of a validated ticket. Raises Denied for a failure, Untrusted for anything else."""
    root = _parse_xml(body)
    for text in _all_texts(root):
        if _HIDDEN.search(text):
            raise Tampered(tr("it has a user inside a comment or a text, where it may have been injected"))
    if _element_name(root) != "serviceResponse":
        raise Untrusted(tr("it is not a service response of CAS, but <{tag}>", tag=printable(str(root.tag), 80)))
    answers = _children(root, tr("a service response"))
    if len(answers) != 1:
        raise Tampered(tr("it has {answers} answers instead of one", answers=len(answers)))
    (answer,) = answers
    if _element_name(answer) == "authenticationFailure":
        if _elements(answer):
            raise Untrusted(tr("a failure has elements in it"))
        raise Denied(_failure_code(answer), printable(_ANY_TICKET.sub("…", _all_text(answer)), 200))
    if _element_name(answer) != "authenticationSuccess":
        raise Untrusted(tr("it is neither success nor failure, but <{tag}>", tag=printable(str(answer.tag), 80)))
    return _read_success(answer)


def _read_success(success: Element) -> CasUser:
    inside = _children(success, tr("a success"))
    users = [child for child in inside if _element_name(child) == "user"]
    blocks = [child for child in inside if _element_name(child) == "attributes"]
    chains = [child for child in inside if _element_name(child) == "proxies"]
    if len(users) != 1:
        raise Tampered(tr("a success has {users} users instead of one", users=len(users)))
    if len(blocks) > 1 or len(chains) > 1:
        raise Tampered(tr("a success has its attributes, or its proxies, more than once"))
    user = _element_text(users[0], tr("the user"))
    if not user:
        raise Untrusted(tr("a user without a name"))
    if any(
        _element_name(element) in ("serviceResponse", "authenticationSuccess")
        for child in success
        for element in child.iter()
    ):
        raise Tampered(tr("a success has another success in it"))
    beside = [child for child in inside if _element_name(child) not in ("user", "attributes", "proxies", "attribute")]
    named = [child for child in inside if _element_name(child) == "attribute"]
    return CasUser(user, _attributes(_elements(blocks[0]) if blocks else [], named, beside), _proxies(chains))


def _attributes(below: list[Element], named: list[Element], beside: list[Element]) -> Mapping[str, Sequence[str]]:
    """Return the user's attributes by name. The value of an unreadable attribute is empty."""
    found: dict[str, list[list[str]]] = {}
    # Attributes that carry their own name may be one level deeper.
    deeper = [
        child for block in below for child in block.iter() if child is not block and _element_name(child) == "attribute"
    ]
    for style in (
        [(_element_name(child), child) for child in below if _element_name(child) != "attribute"],
        [_self_named_attribute(child) for child in (*below, *deeper) if _element_name(child) == "attribute"],
        [_self_named_attribute(child) for child in named],
        [(_element_name(child), child) for child in beside],
    ):
        by_name: dict[str, list[str]] = {}
        for name, element in style:
            if name:
                by_name.setdefault(name, []).append(_attribute_value(element))
        for name, values in by_name.items():
            found.setdefault(name, []).append(values)
    # Where two styles differ, both are kept, and two values are refused later.
    return {
        name: lists[0] if all(one == lists[0] for one in lists) else [value for one in lists for value in one]
        for name, lists in found.items()
    }


def _self_named_attribute(attribute: Element) -> tuple[str, Element]:
    """Return the name of an attribute that contains its own name, and the element with its value."""
    if "name" in attribute.attrib:
        return attribute.attrib["name"], attribute
    parts = {_element_name(child): child for child in _elements(attribute)}
    if set(parts) == {"name", "value"} and len(_elements(attribute)) == len(parts):
        return _attribute_value(parts["name"]), parts["value"]
    return "", attribute


def _attribute_value(element: Element) -> str:
    """Return a single text; empty for anything else, such as text with a comment inside."""
    if len(element):
        return ""
    return element.attrib.get("value", element.text or "").strip()


def _proxies(chains: list[Element]) -> tuple[str, ...]:
    loose = tuple(_all_text(chain) for chain in chains if _all_text(chain))
    return loose + tuple(_element_text(proxy, tr("a proxy")) for chain in chains for proxy in _elements(chain))


def _failure_code(failure: Element) -> str:
    return re.sub(r"[^A-Z_]", "", failure.get("code", ""))[:40] or tr("no code")


def read_logout(text: str) -> str:
    """Return the ticket of the session that the server has ended. Raises Untrusted."""
    root = _parse_xml(text.encode())
    indexes = [child for child in root if child.tag == f"{_SAMLP}SessionIndex"]
    if root.tag != f"{_SAMLP}LogoutRequest" or len(indexes) != 1:
        raise Untrusted(tr("it is not a logout request about one session"))
    return require_ticket(_element_text(indexes[0], tr("a ticket")))


def require_ticket(text: str, *, proxied: bool = False) -> str:
    """Return the text if it has the form of a ticket; a proxy's only if `proxied`. Raises Untrusted otherwise."""
    if not (_TICKET.fullmatch(text) or (proxied and _PROXY_TICKET.fullmatch(text))):
        raise Untrusted(tr("it does not have the form of a service ticket"))
    return text


def _parse_xml(body: bytes) -> Element:
    # Comments and instructions are kept, so that none can split a name unnoticed.
    builder = TreeBuilder(insert_comments=True, insert_pis=True)
    parser = DefusedXMLParser(target=builder, forbid_dtd=True)
    # Some templates leave lines before the declaration, where XML allows none.
    begun = _in_utf8(body.lstrip(b" \t\r\n"))
    try:
        parser.feed(begun)
        root: Element = parser.close()
    except DTDForbidden:
        other = cas_words.other_than_xml(begun)
        raise Untrusted(
            tr("it is {other}", other=other)
            if other
            else tr("it declares a document type, in which content can be hidden")
        ) from None
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        other = cas_words.other_than_xml(begun) or tr("not plain XML ({error})", error=_parser_error(error))
        raise Untrusted(tr("it is {other}", other=other)) from None
    return root


def _in_utf8(body: bytes) -> bytes:
    """Return an answer in UTF-8 if it declares a Chinese charset: the parser knows none of them."""
    declared = _CHINESE.match(body)
    if declared is None:
        return body
    try:
        return body[declared.end() :].decode("gb18030").encode()
    except UnicodeDecodeError:
        raise Untrusted(tr("it is not written in {charset}, as it declares", charset=declared[1].decode())) from None


def _parser_error(error: Exception) -> str:
    # The parser's message has a position, and no part of the answer.
    return (
        f"{type(error).__name__}: {printable(str(error), 80)}"
        if isinstance(error, ParseError)
        else type(error).__name__
    )


def _element_name(element: Element) -> str:
    """Return the name of an element in CAS's namespace, or in none; empty for any other, and for a comment."""
    if not _is_element(element):
        return ""
    namespace, brace, name = element.tag.rpartition("}")
    return name if namespace + brace in _NAMESPACES else ""


def _is_element(node: Element) -> bool:
    # The tag of a comment or an instruction is the function that makes one.
    tag: object = node.tag
    return isinstance(tag, str)


def _elements(element: Element) -> list[Element]:
    """Return the elements within, without comments and instructions."""
    return [child for child in element if _is_element(child)]


def _children(element: Element, what: str) -> list[Element]:
    """Return the elements within an element that must contain nothing else. Raises Untrusted."""
    if (element.text or "").strip() or any((child.tail or "").strip() for child in element):
        raise Tampered(tr("{what} has text beside its elements", what=what))
    return _elements(element)


def _element_text(element: Element, what: str) -> str:
    if len(element):
        raise Tampered(
            tr("{what} has an element, a comment or an instruction in it, where only text is allowed", what=what)
        )
    return (element.text or "").strip()


def _all_text(element: Element) -> str:
    return " ".join([(element.text or "").strip(), *((child.tail or "").strip() for child in element)]).strip()


def _all_texts(root: Element) -> Iterator[str]:
    for element in root.iter():
        yield element.text or ""
        yield element.tail or ""


class CasServer:
    """The CAS server of the settings."""

    def __init__(self, settings: Cas) -> None:
        self.url = settings.url
        self._settings = settings
        self._asker = ProviderClient(METHOD, settings.ca_file)

    def login_address(self, service: str) -> str:
        """Return the address to sign in at. The server redirects back to `service` with a ticket."""
        return f"{self._settings.url}/login?{urlencode({'service': service})}"

    def logout_address(self, service: str) -> str:
        """Return the address to sign out at, with `service` as return address."""
        return f"{self._settings.url}/logout?{urlencode({'service': service})}"

    def validated(self, ticket: str, service: str) -> CasSignIn:
        """Return the user of a ticket for exactly this service, as the server reports it. Raises SignInRefused."""
        own = self._settings
        address = f"{own.url}{own.validation}"
        try:
            require_ticket(ticket, proxied=bool(own.proxies))
        except Untrusted as error:
            raise self._refused(
                tr(
                    "the browser did not send a valid ticket: {error}. Sign in again. For a proxy's ticket "
                    "(PT-…), set `proxies` in [auth.cas].",
                    error=error,
                )
            ) from None
        # Some servers answer in JSON unless XML is asked for.
        body = self._asker.get(address, {"service": service, "ticket": ticket, "format": "XML"})
        try:
            user = read_answer(body)
        except Denied as error:
            why = SignInCode.UNAVAILABLE if error.code == "INTERNAL_ERROR" else SignInCode.REFUSED
            advice = cas_words.advice(error.code, service.partition("?")[0])
            raise SignInRefused(
                METHOD,
                why,
                tr(
                    "{address} does not accept the ticket: {error}. {advice}",
                    address=address,
                    error=error,
                    advice=advice,
                ),
            ) from None
        except Untrusted as error:
            advice = (
                tr(
                    "Ask the operator of that server to check how it writes this person's name and attributes: < "
                    "and & must be escaped, and a name must contain only text."
                )
                if isinstance(error, Tampered)
                else tr("Compare `url` and `validation` in [auth.cas] with that server's address for validation.")
            )
            raise self._refused(
                tr(
                    "the answer of {address} cannot be trusted: {error}. {advice}",
                    address=address,
                    error=error,
                    advice=advice,
                )
            ) from None
        unknown = [proxy for proxy in user.proxies if proxy not in own.proxies]
        if unknown:
            raise self._refused(
                tr(
                    '{address} reports that the ticket was passed on by the proxy "{proxy}", which is not '
                    "allowed to sign people in here. To allow it, add exactly this address to `proxies` in "
                    "[auth.cas].",
                    address=address,
                    proxy=printable(unknown[0], 200),
                ),
                user.user,
            )
        name = self._attribute(address, user) if own.attribute else user.user
        return CasSignIn(without_domain(METHOD, name, own.strip_domain), provider_factor.by_cas(user.attributes, own))

    def _attribute(self, address: str, user: CasUser) -> str:
        wanted = self._settings.attribute
        names = user.attributes.get(wanted, ())
        if len(names) == 1 and names[0]:
            return names[0]
        person = printable(user.user, 100)
        if names:
            message = cas_words.not_one_value(address, wanted, len(names), person)
        else:
            there = ", ".join(printable(name, 40) for name in sorted(user.attributes)[:20]) or tr("none")
            message = cas_words.no_attribute(address, wanted, there, person)
        raise self._refused(message, user.user)

    @staticmethod
    def _refused(message: str, name: str = "") -> SignInRefused:
        return SignInRefused(METHOD, SignInCode.REFUSED, message, name)
