"""What a CAS server says is read strictly: every answer that the protocol does not know lets nobody in."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.providers import Cas
from portal.auth.cas import CasServer, CasUser, Denied, Untrusted, plausible_ticket, read_answer, read_logout
from portal.auth.refusals import SignInRefused, Why
from tests.services.one_answer import answering

NS = 'xmlns:cas="http://www.yale.edu/tp/cas"'


def response(inside: str, namespace: str = NS) -> bytes:
    """Return a service response around an answer."""
    return f"<cas:serviceResponse {namespace}>{inside}</cas:serviceResponse>".encode()


def success(inside: str) -> bytes:
    """Return a success around what it says."""
    return response(f"<cas:authenticationSuccess>{inside}</cas:authenticationSuccess>")


USER = "<cas:user>20151001</cas:user>"

UNTRUSTED = {
    "two successes": response(f"<cas:authenticationSuccess>{USER}</cas:authenticationSuccess>" * 2),
    "a failure beside a success": response(
        f'<cas:authenticationFailure code="X"/><cas:authenticationSuccess>{USER}</cas:authenticationSuccess>'
    ),
    "a failure with a user inside": response(f"<cas:authenticationFailure>{USER}</cas:authenticationFailure>"),
    "a failure with a success inside": response(
        f"<cas:authenticationFailure><cas:authenticationSuccess>{USER}</cas:authenticationSuccess></cas:authenticationFailure>"
    ),
    "another namespace": response(
        f"<cas:authenticationSuccess>{USER}</cas:authenticationSuccess>", 'xmlns:cas="http://elsewhere.example/cas"'
    ),
    "no namespace": b"<serviceResponse><authenticationSuccess><user>a</user></authenticationSuccess></serviceResponse>",
    "a user of another namespace": success('<u:user xmlns:u="urn:other">20151001</u:user>'),
    "a declared document type": b"<!DOCTYPE x>" + success(USER),
    "an entity": b'<!DOCTYPE x [<!ENTITY who "20151001">]>' + success("<cas:user>&who;</cas:user>"),
    "entities that grow": b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    + success("<cas:user>&b;</cas:user>"),
    "an entity from elsewhere": b'<!DOCTYPE x [<!ENTITY who SYSTEM "file:///etc/hostname">]>'
    + success("<cas:user>&who;</cas:user>"),
    "a comment inside the name": success("<cas:user>2015<!-- -->1001</cas:user>"),
    "an instruction inside the name": success("<cas:user>2015<?x?>1001</cas:user>"),
    "an element inside the name": success("<cas:user>2015<cas:b/>1001</cas:user>"),
    "two users": success(USER + "<cas:user>20152003</cas:user>"),
    "no user": success(""),
    "an empty user": success("<cas:user> </cas:user>"),
    "a success among the attributes": success(
        f"{USER}<cas:attributes><cas:authenticationSuccess>{USER}</cas:authenticationSuccess></cas:attributes>"
    ),
    "attributes twice": success(f"{USER}<cas:attributes/><cas:attributes/>"),
    "an attribute of another namespace": success(f'{USER}<cas:attributes><x xmlns="urn:other">1</x></cas:attributes>'),
    "an old attribute that holds something": success(f'{USER}<cas:attribute name="a">{USER}</cas:attribute>'),
    "a proxy's ticket": success(f"{USER}<cas:proxies><cas:proxy>https://p.example</cas:proxy></cas:proxies>"),
    "something else": success(f"{USER}<cas:more/>"),
    "text beside": success(f"20152003{USER}"),
    "a success that is the whole": f"<cas:authenticationSuccess {NS}>{USER}</cas:authenticationSuccess>".encode(),
    "nothing in the response": response(""),
    "two documents": success(USER) * 2,
    "half a document": success(USER)[:-5],
    "the plain words of CAS 1.0": b"yes\n20151001\n",
    "a page of a gateway": b"<html><body>Welcome, 20151001</body></html>",
    "nothing": b"",
    "an unknown encoding": b'<?xml version="1.0" encoding="nowhere"?>' + success(USER),
}


@pytest.mark.parametrize("body", UNTRUSTED.values(), ids=UNTRUSTED.keys())
def test_an_answer_that_the_protocol_does_not_know_is_not_trusted(body: bytes) -> None:
    with pytest.raises(Untrusted):
        read_answer(body)


def test_the_one_shape_is_read() -> None:
    said = read_answer(
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        + success(
            f"\n  {USER}\n  <cas:attributes>\n    <cas:number>1</cas:number>\n    <cas:role>a</cas:role>"
            "<cas:role>b</cas:role>\n  </cas:attributes>\n"
        )
        + b"\n"
    )
    assert said == CasUser("20151001", {"number": ["1"], "role": ["a", "b"]})


def test_attributes_that_are_said_a_second_time_in_the_older_way_are_passed_over() -> None:
    said = read_answer(success(f'{USER}<cas:attributes/><cas:attribute name="user" value="20152003"/>'))
    assert said == CasUser("20151001", {})


def test_a_failure_is_the_servers_own_no() -> None:
    with pytest.raises(Denied, match="INVALID_TICKET"):
        read_answer(response('<cas:authenticationFailure code="INVALID_TICKET">not known</cas:authenticationFailure>'))


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_whatever_it_says_somebody_is_named_or_nobody_comes_in(body: bytes) -> None:
    with pytest.raises((Untrusted, Denied)):
        read_answer(body)


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1).filter(str.strip))
def test_a_name_comes_through_as_it_is(name: str) -> None:
    escaped = name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert read_answer(success(f"<cas:user>{escaped}</cas:user>")).user == name.strip()


SAMLP = 'xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"'


def logout(inside: str) -> str:
    """Return a logout request around what it says."""
    return f"<samlp:LogoutRequest {SAMLP}>{inside}</samlp:LogoutRequest>"


def test_a_logout_request_names_its_ticket() -> None:
    name = '<saml:NameID xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">@NOT_USED@</saml:NameID>'
    said = logout(f"{name}<samlp:SessionIndex>ST-1-abc</samlp:SessionIndex>")
    assert read_logout(said) == "ST-1-abc"


INDEX = "<samlp:SessionIndex>ST-1</samlp:SessionIndex>"


@pytest.mark.parametrize(
    "text",
    [
        "",
        logout(""),
        logout(INDEX * 2),
        logout("<samlp:SessionIndex>ST<!-- -->-1</samlp:SessionIndex>"),
        logout("<samlp:SessionIndex>TGT-1</samlp:SessionIndex>"),
        logout(INDEX).replace("protocol", "other"),
        "<!DOCTYPE x>" + logout(INDEX),
        f"<x>{logout(INDEX)}</x>",
    ],
)
def test_other_logout_requests_end_nothing(text: str) -> None:
    with pytest.raises(Untrusted):
        read_logout(text)


def test_a_ticket_is_one_line_of_plain_letters() -> None:
    assert plausible_ticket("ST-1-aB_c.d~e") == "ST-1-aB_c.d~e"
    for text in ("ST-1\n", "ST-é", "PT-1", "ST-&", " ST-1"):
        with pytest.raises(Untrusted):
            plausible_ticket(text)


@pytest.fixture
def asked() -> Callable[[bytes, int], SignInRefused]:
    """Return what comes of a server that answers so."""

    def ask(body: bytes, status: int) -> SignInRefused:
        with answering(body, "application/xml", status) as url, pytest.raises(SignInRefused) as refused:
            CasServer(Cas(url=url)).name_of("ST-1", "http://127.0.0.1/x")
        return refused.value

    return ask


@pytest.mark.parametrize(
    ("status", "why"), [(201, Why.REFUSED), (302, Why.REFUSED), (404, Why.REFUSED), (500, Why.UNAVAILABLE)]
)
def test_a_good_answer_with_another_status_lets_nobody_in(
    asked: Callable[[bytes, int], SignInRefused], status: int, why: Why
) -> None:
    assert asked(success(USER), status).why is why


def test_a_huge_answer_is_not_read_to_its_end(asked: Callable[[bytes, int], SignInRefused]) -> None:
    refused = asked(success(USER + " " * 1_000_000), 200)
    assert refused.why is Why.REFUSED
    assert "more than" in str(refused)


def test_the_log_is_told_no_ticket(asked: Callable[[bytes, int], SignInRefused]) -> None:
    assert "ST-1" not in str(asked(b"", 500))
    assert "ST-1" not in str(
        asked(response('<cas:authenticationFailure code="X">ST-1</cas:authenticationFailure>'), 200)
    )
