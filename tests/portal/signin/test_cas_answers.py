"""What a CAS server says is read strictly: every answer that the protocol does not know lets nobody in."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.tables.providers import Cas
from portal.auth.providers import http
from portal.auth.providers.cas import CasServer, CasUser, Denied, Untrusted, read_answer, read_logout, require_ticket
from portal.auth.refusals import SignInCode, SignInRefused
from tests.services.http_office import HttpOffice, Reply
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
    "a comment with a user, where a name was let through as it is": success(
        "<cas:user>dean</cas:user><!--</cas:user><cas:attributes><cas:cn>--><cas:attributes><cas:cn/></cas:attributes>"
    ),
    "a text with a user, where a name was let through as it is": success(
        "<cas:user>dean</cas:user><cas:x><![CDATA[</cas:user><cas:attributes><cas:cn>]]></cas:x>"
    ),
    "a user below the attributes alone": success(f"<cas:attributes>{USER}</cas:attributes>"),
    "a user beside the success": response(f"{USER}<cas:authenticationSuccess/>"),
    "a user in each namespace": success(f"{USER}<user>20152003</user>"),
    "proxies twice": success(f"{USER}<cas:proxies/><cas:proxies/>"),
    "two users": success(USER + "<cas:user>20152003</cas:user>"),
    "no user": success(""),
    "an empty user": success("<cas:user> </cas:user>"),
    "a success among the attributes": success(
        f"{USER}<cas:attributes><cas:authenticationSuccess>{USER}</cas:authenticationSuccess></cas:attributes>"
    ),
    "attributes twice": success(f"{USER}<cas:attributes/><cas:attributes/>"),
    "text beside": success(f"20152003{USER}"),
    "a success that is the whole": f"<cas:authenticationSuccess {NS}>{USER}</cas:authenticationSuccess>".encode(),
    "nothing in the response": response(""),
    "two documents": success(USER) * 2,
    "half a document": success(USER)[:-5],
    "a plain text answer of CAS 1.0": b"yes\n20151001\n",
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


SUCCESS_IN_CHINESE = "<cas:authenticationSuccess>{}<cas:attributes><cas:cn>张一</cas:cn></cas:attributes>{}".format(
    USER, "</cas:authenticationSuccess>"
)

#: Everything that servers send besides the one shape, and that names the same user.
ALSO_READ = {
    "no namespace": b"<serviceResponse><authenticationSuccess><user>20151001</user></authenticationSuccess>"
    b"</serviceResponse>",
    "the namespace without a prefix": b'<serviceResponse xmlns="http://www.yale.edu/tp/cas"><authenticationSuccess>'
    b"<user>20151001</user></authenticationSuccess></serviceResponse>",
    "another prefix": success(USER).replace(b"cas:", b"sso:").replace(b":cas=", b":sso="),
    "a user without a namespace": success("<user>20151001</user>"),
    "lines before the declaration": b"\n\n  <?xml version='1.0' encoding='UTF-8'?>\n" + success(USER),
    "comments and an instruction": b"<!-- a --><?b?>" + response(
        f"<!-- vim: set ts=2 --><cas:authenticationSuccess><!-- c -->{USER}<?d?><!-- e --></cas:authenticationSuccess>"
    ),
    "a comment within an attribute": success(f"{USER}<cas:attributes><cas:cn>a<!-- b -->c</cas:cn></cas:attributes>"),
    "a marked section": success("<cas:user><![CDATA[20151001]]></cas:user>"),
    "blanks and lines": success("<cas:user>\n\t 20151001 \r\n</cas:user>"),
    "a ticket for proxies": success(f"{USER}<cas:proxyGrantingTicket>PGTIOU-1</cas:proxyGrantingTicket>"),
    "no proxies": success(f"{USER}<cas:proxies>\n</cas:proxies>"),
    "an attribute of another namespace": success(f'{USER}<cas:attributes><x xmlns="urn:other">1</x></cas:attributes>'),
    "an attribute without a namespace": success(f"{USER}<cas:attributes><cn>1</cn></cas:attributes>"),
    "an attribute called user": success(f"{USER}<cas:attributes><cas:user>20152003</cas:user></cas:attributes>"),
    "an attribute that holds elements": success(f"{USER}<cas:attributes><cas:a><b>1</b></cas:a>text</cas:attributes>"),
    "an old attribute that holds something": success(f'{USER}<cas:attribute name="a">{USER}</cas:attribute>'),
    "an element beside": success(f"{USER}<cas:type>Customer</cas:type><y xmlns='urn:other'/>"),
    "GBK": f"<?xml version='1.0' encoding='GBK'?>\n{response(SUCCESS_IN_CHINESE).decode()}".encode("gbk"),
    "UTF-16": response(f"<cas:authenticationSuccess>{USER}</cas:authenticationSuccess>").decode().encode("utf-16"),
}  # fmt: skip


@pytest.mark.parametrize("body", ALSO_READ.values(), ids=ALSO_READ.keys())
def test_what_servers_send_beside_the_one_user_locks_nobody_out(body: bytes) -> None:
    said = read_answer(body)
    assert (said.user, said.proxies) == ("20151001", ())


NESTED = "<cas:attributes><cas:userAttributes>{}</cas:userAttributes></cas:attributes>"


@pytest.mark.parametrize(
    ("inside", "values"),
    [
        ("<cas:attributes><cas:number>7</cas:number></cas:attributes>", ["7"]),
        ("<cas:attributes><number> 7 </number></cas:attributes>", ["7"]),
        ('<cas:attribute name="number" value="7"/>', ["7"]),
        ('<cas:attributes><cas:attribute name="number" value="7"/></cas:attributes>', ["7"]),
        (NESTED.format('<cas:attribute name="number">7</cas:attribute>'), ["7"]),
        (NESTED.format("<cas:attribute><cas:name>number</cas:name><cas:value>7</cas:value></cas:attribute>"), ["7"]),
        ("<number>7</number>", ["7"]),
        ('<cas:attributes><cas:number>7</cas:number></cas:attributes><cas:attribute name="number" value="7"/>', ["7"]),
        ('<cas:attributes><cas:number>7</cas:number></cas:attributes><cas:attribute name="number" value="8"/>',
         ["7", "8"]),
        ("<cas:attributes><cas:number>7</cas:number><cas:number>7</cas:number></cas:attributes>", ["7", "7"]),
        ("<cas:attributes><cas:number>7<!-- -->8</cas:number></cas:attributes>", [""]),
        ("<cas:attributes><cas:number><b>7</b></cas:number></cas:attributes>", [""]),
        ('<cas:attributes><x:number xmlns:x="urn:other">7</x:number></cas:attributes>', None),
        ("<cas:attributes><cas:cn><cas:number>7</cas:number></cas:cn></cas:attributes>", None),
    ],
)  # fmt: skip
def test_an_attribute_is_read_in_each_of_the_styles_and_two_that_differ_are_two(
    inside: str, values: list[str] | None
) -> None:
    assert read_answer(success(USER + inside)).attributes.get("number") == values


def test_a_ticket_of_a_proxy_counts_only_where_the_settings_name_every_proxy() -> None:
    body = success(f"{USER}<cas:proxies><cas:proxy>https://a</cas:proxy><cas:proxy>https://b</cas:proxy></cas:proxies>")
    allowed = ("https://a", "https://b")
    with answering(body, "application/xml") as url:
        for proxies in ((), ("https://a",), ("https://b/",)):
            with pytest.raises(SignInRefused, match=r"add exactly this address to `proxies` in \[auth.cas\]"):
                CasServer(Cas(url=url, proxies=proxies)).validated("ST-1", "http://127.0.0.1/x")
        assert CasServer(Cas(url=url, proxies=allowed)).validated("PT-1", "http://127.0.0.1/x").name == "20151001"
        with pytest.raises(SignInRefused, match="not have the form of a service ticket"):
            CasServer(Cas(url=url)).validated("PT-1", "http://127.0.0.1/x")


def test_proxies_given_as_text_are_proxies() -> None:
    assert read_answer(success(f"{USER}<cas:proxies>https://a</cas:proxies>")).proxies == ("https://a",)


@pytest.mark.parametrize(
    ("user", "name"),
    [
        ("2015150001@stu.example.edu", "2015150001"),
        ("2015150001@STU.Example.edu", "2015150001"),
        ("2015150001", "2015150001"),
        ("2015150001@example.edu", None),
        ("2015150001@stu.example.edu.evil.example", None),
        ("2015150001@old.stu.example.edu", None),
        ("2015150001@evilstu.example.edu", None),
        ("2015150001@evil.example@stu.example.edu", None),
        ("@stu.example.edu", None),
        ("2015150001@", None),
        ("2015150001@\u017ftu.example.edu", None),
    ],
)
def test_the_domain_of_the_settings_is_taken_off_and_no_other(user: str, name: str | None) -> None:
    with answering(success(f"<cas:user>{user}</cas:user>"), "application/xml") as url:
        server = CasServer(Cas(url=url, strip_domain="Stu.example.edu"))
        if name is not None:
            assert server.validated("ST-1", "http://127.0.0.1/x").name == name
            return
        with pytest.raises(SignInRefused, match=r'strip_domain = "stu.example.edu" in \[auth.cas\]') as refused:
            server.validated("ST-1", "http://127.0.0.1/x")
        assert user in str(refused.value)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "a web page"),
        (b"<html><body><br></body></html>", "a web page"),
        (b'{"serviceResponse": {"authenticationSuccess": {"user": "20151001"}}}', "JSON"),
        (b"yes\n20151001\n", "a plain text answer of CAS 1.0"),
        (b"", "empty"),
        (b"<cas:serviceResponse/>", "unbound prefix"),
        (b"<?xml version='1.0' encoding='GB2312'?><a>\xff\xff</a>", "it is not written in GB2312, as it declares"),
        (success(USER).replace(b"www.yale.edu", b"sso.example"), "http://sso.example/tp/cas"),
        (success(USER * 2), "2 users"),
        (success("<cas:user>2015<!-- -->1001</cas:user>"), "the user has an element, a comment or an instruction"),
    ],
)
def test_an_answer_that_cannot_be_trusted_is_shown_by_what_it_is(body: bytes, told: str) -> None:
    with answering(body) as url, pytest.raises(SignInRefused) as refused:
        CasServer(Cas(url=url)).validated("ST-1", "http://127.0.0.1/x")
    assert told in str(refused.value)
    assert f"{url}/p3/serviceValidate" in str(refused.value)
    tampered = "users" in told or "comment" in told
    assert ("how it writes this person's name" if tampered else "`validation` in [auth.cas]") in str(refused.value)


def test_an_attribute_that_is_not_there_is_shown_with_those_that_are() -> None:
    body = success(f"{USER}<cas:attributes><cas:Number>1</cas:Number><cas:cn>秘密</cas:cn></cas:attributes>")
    with answering(body, "application/xml") as url, pytest.raises(SignInRefused) as refused:
        CasServer(Cas(url=url, attribute="number")).validated("ST-1", "http://127.0.0.1/x")
    assert 'no attribute "number" (it released: Number, cn) for 20151001' in str(refused.value)
    assert "秘密" not in str(refused.value)


@pytest.mark.parametrize(
    ("code", "advice", "why"),
    [
        ("INVALID_TICKET", "valid once", SignInCode.REFUSED),
        ("INVALID_SERVICE", "Register the service http://127.0.0.1/x there", SignInCode.REFUSED),
        ("INTERNAL_ERROR", "own log", SignInCode.UNAVAILABLE),
        ("SOMETHING_NEW", "own log", SignInCode.REFUSED),
    ],
)
def test_a_failure_is_the_servers_own_no_in_its_own_words_without_the_ticket(
    code: str, advice: str, why: SignInCode
) -> None:
    body = response(
        f"<cas:authenticationFailure code=\"{code}\">Ticket 'ST-1' gone<!-- x --></cas:authenticationFailure>"
    )
    with pytest.raises(Denied, match=code):
        read_answer(body)
    with answering(body, "application/xml") as url, pytest.raises(SignInRefused) as refused:
        CasServer(Cas(url=url)).validated("ST-1", "http://127.0.0.1/x?state=hidden")
    assert refused.value.code is why
    assert f"{code} (Ticket '…' gone)" in str(refused.value)
    assert advice in str(refused.value)
    assert "ST-1" not in str(refused.value)
    assert "hidden" not in str(refused.value)


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_whatever_it_states_somebody_is_named_or_nobody_comes_in(body: bytes) -> None:
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
    assert require_ticket("ST-1-aB_c.d~e") == "ST-1-aB_c.d~e"
    for text in ("ST-1\n", "ST-é", "PT-1", "ST-&", " ST-1"):
        with pytest.raises(Untrusted):
            require_ticket(text)


@pytest.fixture
def asked() -> Callable[[bytes, int], SignInRefused]:
    """Return what comes of a server that answers so."""

    def ask(body: bytes, status: int) -> SignInRefused:
        with answering(body, "application/xml", status) as url, pytest.raises(SignInRefused) as refused:
            CasServer(Cas(url=url)).validated("ST-1", "http://127.0.0.1/x")
        return refused.value

    return ask


@pytest.mark.parametrize(
    ("status", "why"),
    [(201, SignInCode.REFUSED), (302, SignInCode.REFUSED), (404, SignInCode.REFUSED), (500, SignInCode.UNAVAILABLE)],
)
def test_a_good_answer_with_another_status_lets_nobody_in(
    asked: Callable[[bytes, int], SignInRefused], status: int, why: SignInCode
) -> None:
    refused = asked(success(USER), status)
    assert refused.code is why
    assert f"answered with status {status}" in str(refused)
    assert str(refused).endswith(".")


def test_a_server_out_of_reach_is_shown_with_its_address_and_the_cause(tmp_path: Path) -> None:
    authority = tmp_path / "authority.pem"
    authority.write_text("nothing", encoding="utf-8")
    with answering(b"") as plain:
        for settings, told in (
            ({"url": "http://127.0.0.1:9"}, "connection refused"),
            ({"url": "https://nobody.invalid"}, "did not respond"),
            ({"url": plain.replace("http", "https")}, "no TLS version in common"),
            ({"url": plain.replace("http", "https"), "ca_file": authority}, "has no certificates"),
        ):
            with pytest.raises(SignInRefused) as refused:
                CasServer(Cas.model_validate(settings)).validated("ST-1", "http://127.0.0.1/x?state=hidden")
            assert refused.value.code is SignInCode.UNAVAILABLE
            assert told in str(refused.value), str(refused.value)
            assert not [word for word in ("ST-1", "hidden") if word in str(refused.value)]


def test_a_huge_answer_is_not_read_to_its_end(asked: Callable[[bytes, int], SignInRefused]) -> None:
    refused = asked(success(USER + " " * 1_000_000), 200)
    assert refused.code is SignInCode.REFUSED
    assert "more than" in str(refused)


class CasOverHttp(HttpOffice):
    """A CAS server whose answers a test writes byte by byte."""

    data_paths = ("/p3/serviceValidate",)


def test_a_server_that_drips_is_given_up_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_LONGEST", 0.3)
    with CasOverHttp(style="none") as office:
        office.script.append(Reply(success(USER + " " * 10_000), drip=0.02))
        with pytest.raises(SignInRefused, match="took longer") as refused:
            CasServer(Cas(url=office.root)).validated("ST-1", "http://127.0.0.1/x")
    assert refused.value.code is SignInCode.UNAVAILABLE


def test_the_log_has_no_ticket(asked: Callable[[bytes, int], SignInRefused]) -> None:
    assert "ST-1" not in str(asked(b"", 500))
    assert "ST-1" not in str(
        asked(response('<cas:authenticationFailure code="X">ST-1</cas:authenticationFailure>'), 200)
    )
