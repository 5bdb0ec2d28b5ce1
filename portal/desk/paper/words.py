"""Messages about the rows of a paper sheet: what each would do, and what is wrong with it, with the fix."""

from collections.abc import Mapping

from portal.desk.context.refusals import PAPER, unfilled
from portal.i18n.labels import N_
from portal.i18n.languages import Language
from status_db.decisions.batch_rows import RowCheck, RowKind

#: What a row would do.
KINDS: Mapping[str, str] = {
    RowKind.NEW: N_("录入"),
    RowKind.SAME: N_("与现有办理一致"),
    RowKind.CONFLICT: N_("与现有办理不一致"),
    RowKind.WRONG: N_("有错"),
}

MARKS: Mapping[RowKind, str] = {RowKind.NEW: "✓", RowKind.SAME: "–", RowKind.CONFLICT: "!", RowKind.WRONG: "✕"}


def row_text(language: Language, row: RowCheck, author_at: str) -> str:
    """Return why a row is invalid or in conflict. `author_at` is the author and time of the existing decision."""
    if row.wrong is not None:
        return language.gettext(unfilled(row.wrong, PAPER))
    if row.effective is not None and row.kind is RowKind.CONFLICT:
        return language.gettext("现有办理：%(reason)s（%(who)s）", reason=row.effective.reason, who=author_at)
    return ""
