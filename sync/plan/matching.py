"""Match a source's keys: to a roster student by number or alias, to a doubt, to a student that stays, or to none.

Numbers match exactly after normalisation. Near matches are never accepted. A key that can only mean certain students,
as after a lost leading zero or with words or a letter around the number, is a doubt for each of them. A key that
resembles a number in another way is listed as a match hint, for a person to check.
"""

from collections.abc import Iterable, Mapping, Sequence

from connectors.port import Cell
from status_db.student_numbers import bare, numbers_within, shape, with_lost_zeros, without_addition
from sync.plan.people import HINTED_KEYS, People, names_of, spellings
from sync.rule.answer import ResolvedKeys, keys_to_resolve
from sync.rule.records import Rows

LEADING_ZERO = "leading_zero"
AMBIGUOUS = "ambiguous"
NUMBER_WITHIN = "number_within"
PUNCTUATION = "punctuation"
LETTER_ADDED = "letter_added"
OTHER_NUMBER = "other_number"
ONE_CHARACTER = "one_character"
SAME_NAME = "same_name"


def resolve(
    people: People,
    fields: Sequence[str],
    groups: Mapping[Cell, Rows],
    digests: Mapping[str, bytes],
    *,
    own_numbers: bool = False,
) -> ResolvedKeys:
    """Match the keys that are not the number of a student with a stored record.

    `own_numbers`: the source sends students' own numbers only, so that no key is a card or a former number.
    """
    keys = keys_to_resolve(groups, digests)
    contested = {} if own_numbers else people.contested
    doubtful: dict[str, tuple[tuple[str, ...], str]] = {
        number: (tuple(owners), AMBIGUOUS) for number, owners in contested.items()
    }
    listed = people.listed(keys)
    found = {number: number for number, leaves in listed.items() if leaves}
    staying = frozenset(listed.keys() - found.keys())
    rest = keys - listed.keys() - doubtful.keys()
    near: dict[str, tuple[str, str]] = {}
    for alias, owners in people.owners(rest).items():
        if own_numbers:
            near[alias] = (OTHER_NUMBER, owners[0])
        elif len(owners) == 1:
            found[alias] = owners[0]
        else:
            doubtful[alias] = (tuple(owners), AMBIGUOUS)
    rest -= found.keys() | doubtful.keys() | near.keys()
    # Students of another open cohort: known, but not in this cohort.
    elsewhere = people.elsewhere & rest
    staying |= elsewhere
    rest -= elsewhere
    within, lost = _numbers_within(people, rest, own_numbers=own_numbers), _lost_zeros(people, rest)
    added, hinted = _additions(people, rest)
    doubtful |= _merged(within, lost, added)
    rest -= doubtful.keys()
    near |= {key: hint for key, hint in hinted.items() if key in rest}
    rest -= near.keys()
    if rest:
        with_rows = {str(key) for key in groups if key in digests} | set(found.values())
        near |= _namesakes(people, fields, groups, rest, with_rows) | _one_character(people, rest)
    return ResolvedKeys(found, doubtful, near, staying)


def _merged(*kinds: Mapping[str, tuple[tuple[str, ...], str]]) -> dict[str, tuple[tuple[str, ...], str]]:
    """Return all students that each key may mean; a key of several kinds counts as containing numbers."""
    merged: dict[str, tuple[tuple[str, ...], str]] = {}
    for kind in kinds:
        for key, (students, why) in kind.items():
            before = merged.get(key)
            merged[key] = (tuple(sorted({*before[0], *students})), NUMBER_WITHIN) if before else (students, why)
    return merged


def _numbers_within(people: People, keys: set[str], *, own_numbers: bool) -> dict[str, tuple[tuple[str, ...], str]]:
    """Find keys that contain a student's number as a whole token, or equal one except for blanks and punctuation.

    Only keys with other characters than digits and letters are split; each number is looked up once.
    """
    if not keys:
        return {}
    within: dict[str, set[str]] = {}
    for key in keys:
        for number in numbers_within(key):
            within.setdefault(number, set()).add(key)
    suspects: dict[str, set[str]] = {}
    whole: set[str] = set()

    def name(number: str, students: Iterable[str]) -> None:
        for key in within.get(number, ()):
            suspects.setdefault(key, set()).update(students)
            if bare(key) == number:
                whole.add(key)

    for student in people.leaving(within.keys()):
        name(student, [student])
    for alias, owners in {} if own_numbers else people.owners(within.keys()).items():
        name(alias, owners)
    # No index has the bare form of numbers that contain punctuation themselves.
    for number, students in people.punctuated.items():
        plain = bare(number)
        if plain in keys:
            within.setdefault(plain, set()).add(plain)
        name(plain, students)
    return {
        key: (tuple(sorted(students)), PUNCTUATION if key in whole else NUMBER_WITHIN)
        for key, students in suspects.items()
    }


def _lost_zeros(people: People, keys: set[str]) -> dict[str, tuple[tuple[str, ...], str]]:
    """Find keys that match exactly one student after leading zeros are added: likely that student, but never certainly.

    The digits may have words around them, or separators of thousands within.
    """
    candidates: dict[str, set[str]] = {}
    for key in keys:
        for number in with_lost_zeros(key):
            candidates.setdefault(number, set()).add(key)
    fits: dict[str, list[str]] = {}
    for student in people.leaving(candidates.keys()):
        for key in candidates[student]:
            fits.setdefault(key, []).append(student)
    return {key: (tuple(students), LEADING_ZERO) for key, students in fits.items() if len(students) == 1}


def _additions(
    people: People, keys: set[str]
) -> tuple[dict[str, tuple[tuple[str, ...], str]], dict[str, tuple[str, str]]]:
    """Find keys that are a student's number with zeros or a letter before it, or a letter after it.

    Where numbers on the roster have the form of such a key, it may also be the number of a student that does not
    leave: then it is a hint, and not a doubt.
    """
    candidates: dict[str, set[str]] = {}
    for key in keys:
        for number in without_addition(key):
            candidates.setdefault(number, set()).add(key)
    fits: dict[str, set[str]] = {}
    for student in people.leaving(candidates.keys()) if candidates else ():
        for key in candidates[student]:
            fits.setdefault(key, set()).add(student)
    shapes = {shape(*ends) for ends in people.ends} if fits else set()
    doubtful: dict[str, tuple[tuple[str, ...], str]] = {}
    near: dict[str, tuple[str, str]] = {}
    for key, students in fits.items():
        why = LEADING_ZERO if key.startswith("0") else LETTER_ADDED
        if shape(len(key), key[0], key[-1]) in shapes:
            near[key] = why, min(students)
        else:
            doubtful[key] = tuple(sorted(students)), why
    return doubtful, near


def _one_character(people: People, keys: set[str]) -> dict[str, tuple[str, str]]:
    """Find keys that become one student's number when letters are read as digits, or one character is added or removed.

    A different digit is not searched for: other students, who do not leave, have such numbers.
    """
    spelled: dict[str, set[str]] = {}
    for key in sorted(keys)[:HINTED_KEYS]:
        for spelling in spellings(key, people.lengths):
            spelled.setdefault(spelling, set()).add(key)
    fits: dict[str, set[str]] = {}
    for student in people.leaving(spelled.keys()):
        for key in spelled[student]:
            fits.setdefault(key, set()).add(student)
    return {key: (ONE_CHARACTER, students.pop()) for key, students in fits.items() if len(students) == 1}


def _namesakes(
    people: People, fields: Sequence[str], groups: Mapping[Cell, Rows], keys: set[str], with_rows: set[str]
) -> dict[str, tuple[str, str]]:
    """Find keys with the name of exactly one student, where no row has that student's own number."""
    names = names_of(fields, groups, keys)
    fits = {key: people.named.get(name, ()) for key, name in names.items()}
    return {
        key: (SAME_NAME, namesakes[0])
        for key, namesakes in fits.items()
        if len(namesakes) == 1 and namesakes[0] not in with_rows
    }
