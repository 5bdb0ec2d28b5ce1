"""The questions of `clearance init` and `clearance source add` to a person. Each answer is checked at once."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from clearance.output import tables
from clearance.setup.answers import AboutServer, Where, checked_where
from clearance.setup.asking import (
    Ask,
    WrongAnswerError,
    ask_person,
    day,
    one_of,
    refused_as_wrong,
    show_found,
    some_text,
    until_valid,
)
from clearance.setup.propose import Surroundings, propose_roster, propose_sources, resolved
from clearance.setup.recognise.titles import usual_title
from config.load import SettingsError
from foundation.refusals import Refused
from foundation.translation import N_, tr

_STEPS = {
    "library": N_("library (library)"),
    "textbook": N_("textbooks (textbook)"),
    "finance": N_("finance (finance)"),
    "dorm": N_("dormitory (dorm)"),
    "college": N_("the college (college)"),
}

_SIGN_IN = {
    "local": N_("passwords of this system (local)"),
    "cas": N_("the university's single sign-on, CAS (cas)"),
    "oidc": N_("OpenID Connect (oidc)"),
    "ldap": N_("an LDAP directory (ldap)"),
    "wecom": N_("WeCom (wecom)"),
    "dingtalk": N_("DingTalk (dingtalk)"),
}

_PLACES = {
    "database": N_("a database (database)"),
    "sheet": N_("a sheet: .xlsx, .xls, .csv (sheet)"),
    "url": N_("an address that answers JSON (url)"),
}


def asked(answers: dict[str, Any], around: Surroundings, ask: Ask = ask_person) -> None:
    """Fill in the answers of a person, in the form of an answers file. What is answered stays, if this is ended."""
    tables.OUT.print(
        tr("A few questions. Nothing is written before the last one; Ctrl-C ends. An empty answer takes the default.")
    )
    name = until_valid(ask, tr("Name of the university"), "", some_text)
    answers["institution"] = {"name": name}
    answers["institution"]["contact"] = ask(tr("Where do people get help (shown on every page)?"), "")
    answers["cohort"] = _cohort(ask)
    answers["server"] = _server(ask)
    answers["sign_in"] = _sign_in(ask, answers["server"], around)
    tables.OUT.print(tr("The list of leaving students:"))
    answers["roster"] = _where(ask, {}, around, propose_roster)
    tables.OUT.print(tr("The first office's system:"))
    answers["source"] = [one_source(around, ask)]
    while _yes(ask, tr("Add another office's system now? y/n"), default="n"):
        answers["source"].append(one_source(around, ask))


def one_source(around: Surroundings, ask: Ask = ask_person) -> dict[str, str]:
    """Return the answers about one office's system."""
    step = one_of(ask, tr("Which step is it about?"), {key: tr(text) for key, text in _STEPS.items()}, "library")
    where = _where(ask, {"step": step}, around, propose_sources)
    title = ask(tr("Its name for staff (empty: what is proposed, such as {usual})", usual=usual_title(step)), "")
    return where | ({"title": title} if title else {})


def _yes(ask: Ask, text: str, default: str) -> bool:
    def read(answer: str) -> bool:
        if answer.casefold() not in ("y", "yes", "是", "n", "no", "否"):
            raise WrongAnswerError(tr("Enter y or n."))
        return answer.casefold() in ("y", "yes", "是")

    return until_valid(ask, text, default, read)


def _cohort(ask: Ask) -> dict[str, Any]:
    key = until_valid(ask, tr("Year of the cohort"), "", _cohort_key)
    cohort: dict[str, Any] = {"key": key, "name": ask(tr("Its name on the pages"), f"{key}届")}
    opens = until_valid(ask, tr("First day of clearance, such as 2027-05-25 (empty: always open)"), "", day)
    if opens is None:
        return cohort

    def last(answer: str) -> object:
        closes = day(answer)
        if closes is None or closes < opens:
            raise WrongAnswerError(tr("Enter a last day that is not before {opens}.", opens=opens))
        return closes

    return cohort | {"opens": opens, "closes": until_valid(ask, tr("Last day"), "", last)}


def _cohort_key(answer: str) -> str:
    key = re.sub(r"\s*(届|年)$", "", answer)
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", key):
        raise WrongAnswerError(tr('"{answer}" is not a year: write it as 2026.', answer=answer))
    return key


def _address(answer: str) -> str:
    parts = urlsplit(answer)
    if answer and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise WrongAnswerError(tr('"{answer}" is not an address: begin with https:// or http://.', answer=answer))
    return answer


def _server(ask: Ask) -> dict[str, str]:
    text = tr("Address of the students' pages, such as https://clearance.example.edu.cn (empty: decide later)")
    url = until_valid(ask, text, "", _address)
    server = {"public_url": url, "proxy": "none"}
    if url:

        def staff(answer: str) -> str:
            address = _address(some_text(answer))
            if mistakes := AboutServer(public_url=url, desk_public_url=address).mistakes():
                raise WrongAnswerError("; ".join(mistakes))
            return address

        server["desk_public_url"] = until_valid(ask, tr("Address of the pages for staff"), "", staff)
        proxies = {"nginx": "nginx", "caddy": "caddy", "none": tr("none (none)")}
        server["proxy"] = one_of(ask, tr("The proxy in front:"), proxies, "nginx")
    databases = {"postgresql": "PostgreSQL", "sqlite": tr("SQLite, for a trial or a small place")}
    server["database"] = one_of(ask, tr("Status database:"), databases, "postgresql")
    if server["database"] == "sqlite":
        return server | {"processes": "one"}
    services = {"three": tr("three services (three)"), "one": tr("one, for a small place (one)")}
    return server | {"processes": one_of(ask, tr("Services:"), services, "three")}


#: How people sign in → the keys that its table needs, each with the question.
_PROVIDER_KEYS = {
    "cas": {"url": N_("Address of the CAS server, such as https://cas.example.edu.cn/cas")},
    "oidc": {
        "issuer": N_("Issuer of the OpenID provider"),
        "client_id": N_("Client id"),
        "client_secret": N_("Client secret, as env:NAME or file:PATH"),
    },
    "ldap": {
        "url": N_("Address of the directory, such as ldaps://ldap.example.edu.cn"),
        "base": N_("Base of the people, such as ou=people,dc=example,dc=edu,dc=cn"),
        "search": N_("Search, such as (uid={account})"),
    },
    "wecom": {
        "corp_id": N_("CorpID of WeCom"),
        "agent_id": N_("AgentID of the application"),
        "secret": N_("Secret of the application, as env:NAME or file:PATH"),
    },
    "dingtalk": {
        "client_id": N_("Client ID (AppKey) of DingTalk"),
        "client_secret": N_("Client secret, as env:NAME or file:PATH"),
        "corp_id": N_("CorpId of the organisation"),
    },
}


def _sign_in(ask: Ask, server: dict[str, str], around: Surroundings) -> dict[str, Any]:
    """Return how people sign in. A provider sends them back to the address of the pages, which is asked if missing."""
    kind = one_of(ask, tr("Signing in:"), {key: tr(text) for key, text in _SIGN_IN.items()}, "local")
    if kind != "local" and not server["public_url"]:
        text = tr("Signing in this way needs the address of the students' pages")
        server["public_url"] = until_valid(ask, text, "", lambda answer: _address(some_text(answer)))

    def read(answer: str) -> str:
        try:
            resolved(some_text(answer), around, tr("This answer"))
        except Refused as error:
            raise refused_as_wrong(error) from None
        return answer

    keys = {key: until_valid(ask, tr(text), "", read) for key, text in _PROVIDER_KEYS.get(kind, {}).items()}
    return {"kind": kind, "keys": keys}


def _where(
    ask: Ask, more: Mapping[str, str], around: Surroundings, propose: Callable[[Where, Surroundings], object]
) -> dict[str, str]:
    """Return where one list is. It is looked at now; what was found is shown, and a list without use asked again."""
    texts = {
        "database": tr("Its address, as env:NAME, where the variable NAME is set here"),
        "sheet": tr("Its path"),
        "url": tr("Its address"),
    }
    here = replace(around, found=lambda lists: show_found(list(lists)))
    while True:
        kind = one_of(ask, tr("Where is it?"), {key: tr(text) for key, text in _PLACES.items()}, "database")
        where = {**more, kind: until_valid(ask, texts[kind], "", some_text)}
        part, text = {
            "database": ("table", tr("Its table or view (empty: what is recognised)")),
            "sheet": ("sheet_name", tr("Its worksheet (empty: the only one)")),
        }.get(kind, ("", ""))
        if part and (name := ask(text, "")):
            where[part] = name
        try:
            propose(checked_where(where), here)
        except (Refused, SettingsError) as error:
            tables.OUT.print(str(refused_as_wrong(error)), style="yellow")
            continue
        return where
