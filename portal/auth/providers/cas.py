"""CAS 3.0: the addresses to sign in and out, the answer about a ticket, and the server's logout request.

Who has signed in is read strictly: one success, one user in it and in the right place, in the namespace of CAS or, as
some servers send it, in none. What servers add is ignored unless the settings ask for it: comments, a
proxy-granting ticket, attributes in whatever style. The styles are those of Apereo CAS (`<cas:attributes>` with an
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
from portal.auth.domains import without_domain
from portal.auth.providers import provider_factor
from portal.auth.providers.http import ProviderClient
from portal.auth.refusals import SignInCode, SignInRefused, printable

METHOD = "cas"

_CAS = "http://www.yale.edu/tp/cas"
#: Before each name: CAS's own namespace, or none.
_NAMESPACES = (f"{{{_CAS}}}", "")
_SAMLP = "{urn:oasis:names:tc:SAML:2.0:protocol}"

#: A ticket as the protocol allows it: a service's own, and a proxy's.
_TICKET = re.compile(r"ST-[A-Za-z0-9._~-]{1,253}", re.ASCII)
_PROXY_TICKET = re.compile(r"PT-[A-Za-z0-9._~-]{1,253}", re.ASCII)
#: Any ticket within a sentence.
_ANY_TICKET = re.compile(r"\b(?:ST|PT|PGT|PGTIOU|TGT|TGC)-[^\s'\"<>]+")

#: A user, or a whole success, inside a text or a comment: somebody has injected it.
_HIDDEN = re.compile(r"</?\s*(?:[\w.-]+:)?(?:user|authenticationSuccess)\b")

#: A declaration of one of the Chinese charsets, all of which are parts of GB18030.
_CHINESE = re.compile(rb"<\?xml[^>]*\bencoding\s*=\s*[\"'](gbk|gb2312|gb18030)[\"'][^>]*\?>", re.IGNORECASE)

#: What servers send in place of the protocol's XML, and how it begins.
_OTHER_THAN_XML = {
    b"<!doctype html": "a web page",
    b"<html": "a web page",
    b"{": "JSON",
    b"yes": "the plain words of CAS 1.0",
    b"no": "the plain words of CAS 1.0",
}

#: What the protocol's codes mean, and what helps.
_ADVICE = {
    "INVALID_TICKET": "A ticket is good once and mostly for 10 seconds: sign in again; if it stays so, the nodes of "
    "the CAS server do not share their tickets, or its address for validation is another ([auth.cas] url, validation).",
    "INVALID_SERVICE": "Register the service {service} there, with anything after a ?, and compare public_url in "
    "[portal].",
    "UNAUTHORIZED_SERVICE": "Register the service {service} there, with anything after a ?, and compare public_url in "
    "[portal].",
    "UNAUTHORIZED_SERVICE_PROXY": "Proxies may not sign people in at this service: register it there as one that they "
    "may.",
    "INTERNAL_ERROR": "Look into the CAS server's own log.",
}
_OTHER_ADVICE = "Look into the CAS server's own log, and at how the service {service} is registered there."


class Untrusted(Exception):  # noqa: N818 - named by what is so
    """An answer that the protocol does not allow."""


class Tampered(Untrusted):
    """An answer that looks like the protocol, in which somebody may have injected a name that is not theirs."""


class Denied(Exception):  # noqa: N818 - named by what is so
    """The server's refusal; the text is its code, and its own words without any ticket."""

    def __init__(self, code: str, words: str = "") -> None:
        super().__init__(f"{code} ({words})" if words else code)
        self.code = code


@dataclass(frozen=True, slots=True)
class CasUser:
    """The user a ticket is for."""

    user: str
    #: Each attribute with its values. One that is sent in several styles counts once where they agree.
    attributes: Mapping[str, Sequence[str]]
    #: The proxies that the ticket came through, the last first; empty for the browser's own ticket.
    proxies: Sequence[str] = field(default=())


@dataclass(frozen=True, slots=True)
class Validated:
    """Somebody the server has signed in."""

    name: str
    #: The server has asked for a second factor.
    second_factor: bool = False


def read_answer(body: bytes) -> CasUser:
    """Return the user of a validated ticket. Raises Denied for a failure, Untrusted for anything else."""
    root = _parsed(body)
    for text in _texts(root):
        if _HIDDEN.search(text):
            raise Tampered("it holds a user within a comment or a text, where somebody may have put it")
    if _name(root) != "serviceResponse":
        raise Untrusted(f"it is not a service response of CAS, but <{printable(str(root.tag), 80)}>")
    answers = _children(root, "a service response")
    if len(answers) != 1:
        raise Tampered(f"it holds {len(answers)} answers, and one is right")
    (answer,) = answers
    if _name(answer) == "authenticationFailure":
        if _elements(answer):
            raise Untrusted("a failure holds elements")
        raise Denied(_code(answer), printable(_ANY_TICKET.sub("…", _all_text(answer)), 200))
    if _name(answer) != "authenticationSuccess":
        raise Untrusted(f"it is neither success nor failure, but <{printable(str(answer.tag), 80)}>")
    return _read_success(answer)


def _read_success(success: Element) -> CasUser:
    inside = _children(success, "a success")
    users = [child for child in inside if _name(child) == "user"]
    blocks = [child for child in inside if _name(child) == "attributes"]
    chains = [child for child in inside if _name(child) == "proxies"]
    if len(users) != 1:
        raise Tampered(f"a success holds {len(users)} users, and one is right")
    if len(blocks) > 1 or len(chains) > 1:
        raise Tampered("a success holds its attributes, or its proxies, twice")
    user = _text(users[0], "the user")
    if not user:
        raise Untrusted("a user without a name")
    if any(
        _name(element) in ("serviceResponse", "authenticationSuccess") for child in success for element in child.iter()
    ):
        raise Tampered("a success holds another success")
    beside = [child for child in inside if _name(child) not in ("user", "attributes", "proxies", "attribute")]
    named = [child for child in inside if _name(child) == "attribute"]
    return CasUser(user, _attributes(_elements(blocks[0]) if blocks else [], named, beside), _proxies(chains))


def _attributes(below: list[Element], named: list[Element], beside: list[Element]) -> Mapping[str, Sequence[str]]:
    """Return the user's attributes by name. The value of one that cannot be read is empty."""
    found: dict[str, list[list[str]]] = {}
    # Attributes that carry their own name may be one level deeper.
    deeper = [child for block in below for child in block.iter() if child is not block and _name(child) == "attribute"]
    for way in (
        [(_name(child), child) for child in below if _name(child) != "attribute"],
        [_named(child) for child in (*below, *deeper) if _name(child) == "attribute"],
        [_named(child) for child in named],
        [(_name(child), child) for child in beside],
    ):
        said: dict[str, list[str]] = {}
        for name, element in way:
            if name:
                said.setdefault(name, []).append(_value(element))
        for name, values in said.items():
            found.setdefault(name, []).append(values)
    # Where two styles differ, both are kept, and two values are refused later.
    return {
        name: ways[0] if all(way == ways[0] for way in ways) else [value for way in ways for value in way]
        for name, ways in found.items()
    }


def _named(attribute: Element) -> tuple[str, Element]:
    """Return the name and what holds the value of an attribute that says its own name."""
    if "name" in attribute.attrib:
        return attribute.attrib["name"], attribute
    parts = {_name(child): child for child in _elements(attribute)}
    if set(parts) == {"name", "value"} and len(_elements(attribute)) == len(parts):
        return _value(parts["name"]), parts["value"]
    return "", attribute


def _value(element: Element) -> str:
    """Return a single text; empty for anything else, such as text that a comment parts in two."""
    if len(element):
        return ""
    return element.attrib.get("value", element.text or "").strip()


def _proxies(chains: list[Element]) -> tuple[str, ...]:
    loose = tuple(_all_text(chain) for chain in chains if _all_text(chain))
    return loose + tuple(_text(proxy, "a proxy") for chain in chains for proxy in _elements(chain))


def _code(failure: Element) -> str:
    return re.sub(r"[^A-Z_]", "", failure.get("code", ""))[:40] or "no code"


def read_logout(text: str) -> str:
    """Return the ticket of the session that the server has ended. Raises Untrusted."""
    root = _parsed(text.encode())
    indexes = [child for child in root if child.tag == f"{_SAMLP}SessionIndex"]
    if root.tag != f"{_SAMLP}LogoutRequest" or len(indexes) != 1:
        raise Untrusted("it is not a logout request about one session")
    return plausible_ticket(_text(indexes[0], "a ticket"))


def plausible_ticket(text: str, *, proxied: bool = False) -> str:
    """Return a ticket as it is; a proxy's only where `proxied` allows it. Raises Untrusted for any other text."""
    if not (_TICKET.fullmatch(text) or (proxied and _PROXY_TICKET.fullmatch(text))):
        raise Untrusted("it does not look like a service ticket")
    return text


def _parsed(body: bytes) -> Element:
    # Comments and instructions are kept, so that none can split a name unseen.
    builder = TreeBuilder(insert_comments=True, insert_pis=True)
    parser = DefusedXMLParser(target=builder, forbid_dtd=True)
    # Some templates leave lines before the declaration, where XML allows none.
    begun = _in_utf8(body.lstrip(b" \t\r\n"))
    try:
        parser.feed(begun)
        root: Element = parser.close()
    except DTDForbidden:
        other = _other_than_xml(begun)
        raise Untrusted(
            f"it is {other}" if other else "it declares a document type, and may hide things in it"
        ) from None
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        other = _other_than_xml(begun) or f"not plain XML ({_first(error)})"
        raise Untrusted(f"it is {other}") from None
    return root


def _in_utf8(body: bytes) -> bytes:
    """Return an answer that says it is in a Chinese charset in UTF-8: the parser knows none of them."""
    declared = _CHINESE.match(body)
    if declared is None:
        return body
    try:
        return body[declared.end() :].decode("gb18030").encode()
    except UnicodeDecodeError:
        raise Untrusted(f"it is not written in {declared[1].decode()}, as it declares") from None


def _first(error: Exception) -> str:
    # The parser's message holds a position, and nothing of the answer.
    return (
        f"{type(error).__name__}: {printable(str(error), 80)}"
        if isinstance(error, ParseError)
        else type(error).__name__
    )


def _other_than_xml(body: bytes) -> str:
    begins = body[:20].lower()
    if not begins:
        return "empty"
    return next((what for start, what in _OTHER_THAN_XML.items() if begins.startswith(start)), "")


def _name(element: Element) -> str:
    """Return the name of an element of CAS's namespace, or of none; empty for any other, and for a comment."""
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
    """Return the elements within one that holds nothing else. Raises Untrusted."""
    if (element.text or "").strip() or any((child.tail or "").strip() for child in element):
        raise Tampered(f"{what} holds text beside elements")
    return _elements(element)


def _text(element: Element, what: str) -> str:
    if len(element):
        raise Tampered(f"{what} holds an element, a comment or an instruction, where only text is allowed")
    return (element.text or "").strip()


def _all_text(element: Element) -> str:
    return " ".join([(element.text or "").strip(), *((child.tail or "").strip() for child in element)]).strip()


def _texts(root: Element) -> Iterator[str]:
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
        """Return where people sign in, to be sent back to `service` with a ticket."""
        return f"{self._settings.url}/login?{urlencode({'service': service})}"

    def logout_address(self, service: str) -> str:
        """Return where people sign out, with the way back to `service`."""
        return f"{self._settings.url}/logout?{urlencode({'service': service})}"

    def validated(self, ticket: str, service: str) -> Validated:
        """Return the user that the server names for a ticket for this very service. Raises SignInRefused."""
        own = self._settings
        address = f"{own.url}{own.validation}"
        try:
            plausible_ticket(ticket, proxied=bool(own.proxies))
        except Untrusted as error:
            raise self._refused(
                f"the browser did not send a valid ticket: {error}. "
                "Sign in again; a proxy's ticket (PT-…) counts only with `proxies` in [auth.cas]."
            ) from None
        # Some servers answer in JSON unless XML is asked for.
        body = self._asker.get(address, {"service": service, "ticket": ticket, "format": "XML"})
        try:
            said = read_answer(body)
        except Denied as error:
            why = SignInCode.UNAVAILABLE if error.code == "INTERNAL_ERROR" else SignInCode.REFUSED
            advice = _ADVICE.get(error.code, _OTHER_ADVICE).format(service=service.partition("?")[0])
            raise SignInRefused(METHOD, why, f"{address} does not accept the ticket: {error}. {advice}") from None
        except Untrusted as error:
            advice = (
                "Have whoever runs that server look at how it writes this person's name and attributes: < and & must "
                "be escaped, and a name may hold nothing but text."
                if isinstance(error, Tampered)
                else "Compare `url` and `validation` in [auth.cas] with the address for validation of that server."
            )
            raise self._refused(f"the answer of {address} cannot be trusted: {error}. {advice}") from None
        strange = [proxy for proxy in said.proxies if proxy not in own.proxies]
        if strange:
            raise self._refused(
                f'{address} says that the ticket came through "{printable(strange[0], 200)}", a proxy that may sign '
                "nobody in here. If it may, add that very address to `proxies` in [auth.cas].",
                said.user,
            )
        name = self._attribute(address, said) if own.attribute else said.user
        return Validated(without_domain(METHOD, name, own.strip_domain), provider_factor.by_cas(said.attributes, own))

    def _attribute(self, address: str, said: CasUser) -> str:
        wanted = self._settings.attribute
        names = said.attributes.get(wanted, ())
        if len(names) == 1 and names[0]:
            return names[0]
        there = ", ".join(printable(name, 40) for name in sorted(said.attributes)[:20]) or "none"
        found = (
            f'no attribute "{wanted}" (it released: {there})'
            if not names
            else f'{len(names)} values of the attribute "{wanted}"'
            if len(names) > 1
            else f'an attribute "{wanted}" that is empty or not a single text'
        )
        raise self._refused(
            f"{address} released {found} for {printable(said.user, 100)}. Have the CAS server release it to this "
            "service, once for each person (with /p3/serviceValidate where it is Apereo CAS); or name another as "
            "`attribute` in [auth.cas], spelt exactly so.",
            said.user,
        )

    @staticmethod
    def _refused(message: str, name: str = "") -> SignInRefused:
        return SignInRefused(METHOD, SignInCode.REFUSED, message, name)
