"""The desk's one field: a number as typed or scanned, or a name, over all states."""

import re
import unicodedata

from portal.auth.permissions import inside
from portal.desk.context.desk_context import DeskContext
from portal.page.context import Context
from status_db.model import normalise_number

#: What a number consists of once its blanks are gone. Anything else is a name.
_NUMBER = re.compile(r"(?=.*[0-9])[0-9A-Za-z_.\-]+")


def cleaned(typed: str) -> str:
    """Return a search text: a number in its normal form without blanks, or a name without outer blanks.

    Scanners end a number with a line end or a tab, and input methods write full-width digits; people copy numbers with
    blanks between their parts.
    """
    text = unicodedata.normalize("NFKC", typed)
    together = "".join(text.split())
    return normalise_number(together) if _NUMBER.fullmatch(together) else " ".join(text.split())


async def record_address(context: Context, at: DeskContext, text: str) -> str:
    """Return the address of the record whose student has exactly this number. Empty if there is none to open.

    A card's number counts too, if the roster has it and it belongs to one student. A step that the student does not
    have, or that is outside the scopes, gives way to the first one that the account can act on.
    """
    if not _NUMBER.fullmatch(text):
        return ""
    cohort, now = at.reader.cohort.key, at.reader.now
    numbers = await context.ask(context.services.named.known_as, cohort, text)
    if len(numbers) != 1:
        return ""
    (number,) = numbers
    student = (await context.ask(context.services.named.students, cohort, (number,), now))[number]
    may = at.reader.visibility.steps
    own = [one.step for one in student.steps if inside(student, may.get(one.step, ()))]
    if not own:
        return ""
    return at.record(number, at.step if at.step in own else own[0])
