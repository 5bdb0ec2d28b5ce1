"""The questions of `clearance init` to a person, each with a default where there is a usual answer."""

from collections.abc import Callable
from typing import Any

import typer

from clearance.output import tables
from foundation.translation import N_, tr

#: Asks one question: the text, the default. Returns the answer.
Ask = Callable[[str, str], str]

_KINDS = {
    "1": "database",
    "2": "sheet",
    "3": "url",
}

_WHERE = N_("Where is it? 1 a database, 2 a sheet (.xlsx, .xls, .csv), 3 an address that answers JSON")


def ask_person(text: str, default: str) -> str:
    """Ask on the terminal; an empty answer is the default."""
    answer: str = typer.prompt(text, default=default, show_default=bool(default))
    return answer.strip()


def asked(ask: Ask = ask_person) -> dict[str, Any]:
    """Return the answers of a person, in the form of an answers file."""
    tables.OUT.print(
        tr("A few questions. Nothing is written before the last one; Ctrl-C ends. An empty answer takes the default.")
    )
    name = ask(tr("Name of the university"), "")
    answers: dict[str, Any] = {
        "institution": {"name": name, "contact": ask(tr("Where do people get help (shown on every page)?"), "")},
        "cohort": _cohort(ask),
        "server": _server(ask),
    }
    answers["sign_in"] = _sign_in(ask)
    tables.OUT.print(tr("The list of leaving students:"))
    answers["roster"] = where(ask)
    answers["source"] = []
    while ask(tr("Add an office's system now? y/n"), "y").casefold() in ("y", "yes", "是"):
        step = ask(tr("Which step is it about? library, textbook, finance, dorm, college"), "library")
        answers["source"].append({"step": step, **where(ask)})
    return answers


def _cohort(ask: Ask) -> dict[str, Any]:
    key = ask(tr("Year of the cohort"), "")
    cohort: dict[str, Any] = {"key": key, "name": ask(tr("Its name on the pages"), f"{key}届")}
    if opens := ask(tr("First day of clearance, such as 2027-05-25 (empty: always open)"), ""):
        cohort |= {"opens": opens, "closes": ask(tr("Last day"), "")}
    return cohort


def _server(ask: Ask) -> dict[str, str]:
    url = ask(tr("Address of the students' pages, such as https://clearance.example.edu.cn (empty: decide later)"), "")
    server = {"public_url": url, "proxy": "none"}
    if url:
        server["desk_public_url"] = ask(tr("Address of the pages for staff"), "")
        server["proxy"] = ask(tr("The proxy in front: nginx, caddy or none"), "nginx")
    server["database"] = ask(tr("Status database: postgresql or sqlite"), "postgresql")
    usual = "one" if server["database"] == "sqlite" else "three"
    return server | {"processes": ask(tr("Services: three, or one for a small place"), usual)}


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


def _sign_in(ask: Ask) -> dict[str, Any]:
    kind = ask(tr("Signing in: local, cas, oidc, ldap, wecom or dingtalk"), "local")
    keys = {key: ask(tr(text), "") for key, text in _PROVIDER_KEYS.get(kind, {}).items()}
    return {"kind": kind, "keys": keys}


def where(ask: Ask) -> dict[str, str]:
    """Return where one list is."""
    kind = _KINDS.get(ask(tr(_WHERE), "1"), "database")
    texts = {
        "database": N_("Its address, as env:NAME, where the variable NAME is set here"),
        "sheet": N_("Its path"),
        "url": N_("Its address"),
    }
    return {kind: ask(tr(texts[kind]), "")}
