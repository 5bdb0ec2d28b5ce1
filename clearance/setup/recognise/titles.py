"""What staff read for a source: a title in Chinese and English, by what it is about."""

from collections.abc import Mapping
from dataclasses import replace

from clearance.setup.proposal import Proposal
from foundation.translation import language

#: Step, kind of what is owed → the title. A step alone is used for any other kind.
_TITLES: Mapping[tuple[str, str], tuple[str, str]] = {
    ("library", "loan"): ("在借图书", "Loans"),
    ("library", "fine"): ("图书馆欠款", "Library fines"),
    ("library", ""): ("图书馆", "Library"),
    ("textbook", ""): ("教材费", "Textbook fees"),
    ("finance", ""): ("欠费", "Fees owed"),
    ("dorm", ""): ("退宿情况", "Dormitory rooms"),
    ("college", ""): ("学院事项", "College items"),
}


def titled(proposal: Proposal, title: str = "") -> Proposal:
    """Return the proposal with this title, else with the usual one of its step and of what is owed."""
    if title:
        return replace(proposal, title=title, title_en="")
    kind = str(proposal.more.get("obligation", ""))
    chinese, english = _TITLES.get((proposal.step, kind)) or _TITLES.get((proposal.step, ""), ("", ""))
    return replace(proposal, title=chinese, title_en=english)


def usual_title(step: str) -> str:
    """Return the title of a step's usual source, in the language of this process."""
    chinese, english = _TITLES.get((step, "loan")) or _TITLES[step, ""]
    return chinese if language() == "zh" else english
