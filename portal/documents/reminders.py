"""A reminder for a class, as text to copy: names, steps, and where to read more. No amounts and no titles."""

from collections.abc import Iterable, Mapping

from portal.access.reader_context import ReaderContext
from portal.present import list_rows
from status_db.queries.lists import ListedStudent
from status_db.views import StepSource


def text(
    reader: ReaderContext,
    class_name: str,
    people: Iterable[ListedStudent],
    freshness: Mapping[str, StepSource],
    where: str,
) -> str:
    """Return the text in the context's language. `where` is the portal's address. The list of names can be empty."""
    language = reader.language
    colon, brackets = (": ", " ({})") if language.code == "en" else ("：", "（{}）")
    moment = language.moment(reader.now, reader.now)
    lines = [language.gettext("%(who)s离校手续提醒（截至 %(moment)s）", who=class_name, moment=moment)]
    lines += reader.stale(freshness)
    lines.append(language.gettext("以下同学还有环节需要本人办理："))
    named = tuple(people)
    for person in named:
        steps = language.listed(f"{title}{brackets.format(word)}" for title, word in list_rows.to_do(reader, person))
        lines.append(f"{person.name}{colon}{steps}")
    lines.append(language.gettext("办理内容、地点和时间，请登录查看：%(where)s", where=where))
    lines += closings(reader, named)
    return "\n".join(lines)


def closings(reader: ReaderContext, people: Iterable[ListedStudent]) -> tuple[str, ...]:
    """Return the last day of the window of each level among these students, over or not; empty without windows."""
    language, today = reader.language, reader.now.astimezone(reader.language.zone).date()
    levels = dict.fromkeys(person.level for person in people)
    known = {level: reader.cohort.windows[level] for level in levels if level in reader.cohort.windows}
    lines: list[str] = []
    for level, window in known.items():
        day = language.day(window.closes, reader.now)
        text = (
            language.gettext("截止：%(closings)s", closings=day)
            if today <= window.closes
            else language.gettext("已于 %(day)s截止，请尽快办理", day=day)
        )
        alone = len(levels) == 1
        lines.append(
            text
            if alone
            else language.gettext("%(level)s：%(closing)s", level=reader.word("level", level), closing=text)
        )
    return tuple(lines)
