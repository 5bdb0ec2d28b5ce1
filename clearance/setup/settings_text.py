"""The text of a first settings file, with comments: what was answered, and what was proposed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from clearance.setup import toml_text
from clearance.setup.answers import Answers
from clearance.setup.proposal import Proposal
from clearance.setup.source_text import source_lines
from foundation.translation import tr


@dataclass(frozen=True, slots=True)
class _Step:
    """A step as most universities have it."""

    title: str
    title_en: str
    office: str
    reasons: tuple[str, ...] = ()


#: The usual steps, by key, in the order shown.
_STEPS: Mapping[str, _Step] = {
    "library": _Step("图书馆", "Library", "图书馆", ("赔书", "数据有误")),
    "textbook": _Step("教材中心", "Textbook centre", "教材中心", ("现场缴清", "数据有误")),
    "finance": _Step("计财处", "Finance office", "计财处", ("缓交批准", "数据有误")),
    "dorm": _Step("宿管中心", "Dormitory office", "宿管中心", ("现场验收", "数据有误")),
    "college": _Step("学院事项", "College items", "学院"),
    "final_review": _Step("学院终审", "Final review", "学院"),
    "final_check": _Step("研究生院终审", "Final check", "研究生院"),
}

#: Level → its steps in order; the last one is the review.
_FLOWS: Mapping[str, tuple[str, ...]] = {
    "undergraduate": ("library", "textbook", "finance", "dorm", "college", "final_review"),
    "postgraduate": ("college", "library", "finance", "dorm", "final_check"),
}


def settings_text(answers: Answers, roster: Proposal, sources: Sequence[Proposal], on: date) -> str:
    """Return the settings file for these answers and proposals."""
    levels = _levels(roster)
    blocks = [
        _head(answers, on),
        *_places(answers),
        _cohort(answers, levels),
        source_lines(roster, on),
        *_steps(levels),
        *_flows(levels, {each.step for each in sources}),
        *(source_lines(each, on) for each in sources),
    ]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _levels(roster: Proposal) -> list[str]:
    named = roster.more.get("levels")
    found = set(named.values()) if isinstance(named, Mapping) else set()
    return [level for level in _FLOWS if level in found] or ["undergraduate"]


def _head(answers: Answers, on: date) -> list[str]:
    about = answers.institution
    keys: dict[str, object] = {"name": about.name, "timezone": about.timezone}
    if about.contact:
        keys["contact"] = about.contact
    return toml_text.table(
        "[institution]",
        keys,
        (
            tr("The settings of {name}, written by `clearance init` on {day}.", name=about.name, day=on),
            tr("docs/settings.md describes every table. After a change, run: clearance check"),
        ),
    )


def _places(answers: Answers) -> list[list[str]]:
    """Return the tables of the database, the pages and signing in."""
    server = answers.server
    url = "sqlite:///clearance.db" if server.database == "sqlite" else "env:CLEARANCE_DB"
    where = tr("Each process has an address of its own, in its env file: this one is replaced.")
    blocks = [toml_text.table("[status_db]", {"url": url}, (where,))]
    if server.public_url:
        keys: dict[str, object] = {"public_url": server.public_url}
        if server.desk_public_url:
            keys["desk_public_url"] = server.desk_public_url
        if server.proxy != "none":
            keys["proxies"] = ["127.0.0.1"]
        blocks.append(
            toml_text.table("[portal]", keys, (tr("The addresses that people open, and the proxy in front."),))
        )
    if answers.sign_in.kind != "local":
        text = tr("How people sign in: see docs/signing-in.md. Accounts of our own stay beside it.")
        blocks.append(toml_text.table(f"[auth.{answers.sign_in.kind}]", dict(answers.sign_in.keys), (text,)))
    return blocks


def _cohort(answers: Answers, levels: Sequence[str]) -> list[str]:
    cohort = answers.cohort
    keys: dict[str, object] = {"key": cohort.key, "name": cohort.name}
    if cohort.opens and cohort.closes:
        keys["windows"] = {level: {"opens": cohort.opens, "closes": cohort.closes} for level in levels}
    lines = toml_text.table("[[cohort]]", keys, (tr("The first cohort: its first and last day, by level."),))
    return [
        *lines,
        *toml_text.comment(tr("Students stay shut out until this line is removed: see `clearance rehearse`.")),
        "rehearsal = true",
    ]


def _steps(levels: Sequence[str]) -> list[list[str]]:
    keys = dict.fromkeys(step for level in levels for step in _FLOWS[level])
    blocks: list[list[str]] = []
    for key in keys:
        step = _STEPS[key]
        table: dict[str, object] = {"key": key, "title": step.title, "title_en": step.title_en}
        if step.reasons:
            table["reasons"] = list(step.reasons)
        table["office"] = {"name": step.office, "places": {"*": {"where": step.office}}}
        comments = () if blocks else (tr("The steps. Correct their names, and where students go for each."),)
        blocks.append(toml_text.table("[[step]]", table, comments))
    return blocks


def _flows(levels: Sequence[str], decided: set[str]) -> list[list[str]]:
    blocks: list[list[str]] = []
    for level in levels:
        *steps, review = _FLOWS[level]
        entries = [
            f"  {toml_text.value({'step': step} if step in decided else {'step': step, 'kind': 'manual'})},"
            for step in steps
        ]
        comment = tr(
            'The steps of these students, in order. "manual": an operator decides; change it to "synced" when the '
            "step gets a source."
        )
        blocks.append(
            [
                *([] if blocks else toml_text.comment(comment)),
                "[[flow]]",
                f"key = {toml_text.value(level)}",
                f"levels = {toml_text.value([level])}",
                "entries = [",
                *entries,
                f"  {toml_text.value({'step': review, 'kind': 'review'})},",
                "]",
            ]
        )
    return blocks
