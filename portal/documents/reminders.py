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
    for person in people:
        steps = language.listed(f"{title}{brackets.format(word)}" for title, word in list_rows.to_do(reader, person))
        lines.append(f"{person.name}{colon}{steps}")
    lines.append(language.gettext("办理内容、地点和时间，请登录查看：%(where)s", where=where))
    closings = reader.closings()
    if closings:
        lines.append(language.gettext("截止：%(closings)s", closings=language.listed(closings)))
    return "\n".join(lines)
