"""The part of the roster that an answer's keys name: read at once, so that matching needs no database."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from connectors.port import Cell
from status_db.marks.current import CurrentState
from status_db.model import normalise_number
from status_db.student_numbers import bare, numbers_within, with_lost_zeros, without_addition
from sync.rule.answer import keys_to_resolve
from sync.rule.records import Rows

#: How many unmatched keys are searched for match hints.
HINTED_KEYS = 2_000

#: Letters that are misread, or mistyped, for digits.
_LOOK_ALIKE = str.maketrans("OQDILZSB", "00011258")


@dataclass(frozen=True, slots=True)
class People:
    """Every student that the keys of one answer may mean, with what matching needs."""

    #: Numbers that were looked up. Others cannot be matched.
    looked_up: frozenset[str]
    #: Leaving students that a key means or may mean; match hints are not counted.
    meant: frozenset[str]
    #: Student's own number → whether the student leaves.
    own: Mapping[str, bool]
    #: Alias, such as a card → the leaving students that have it, in order.
    aliases: Mapping[str, Sequence[str]]
    #: Number that is one student's own and another's alias → both.
    contested: Mapping[str, Sequence[str]]
    #: Numbers of students of other open cohorts.
    elsewhere: frozenset[str]
    #: Number with punctuation of its own → leaving students, where a key has its bare form.
    punctuated: Mapping[str, Collection[str]]
    #: Name → the leaving students that have it, in order.
    named: Mapping[str, Sequence[str]]
    #: Length, first and last character of every own number on the roster.
    ends: frozenset[tuple[int, str, str]]
    #: Lengths of the leaving students' own numbers.
    lengths: frozenset[int]

    def listed(self, numbers: Iterable[str]) -> dict[str, bool]:
        """Return the numbers that are students on the roster, and whether each is leaving."""
        return {number: self.own[number] for number in self._known_numbers(numbers) if number in self.own}

    def leaving(self, numbers: Iterable[str]) -> set[str]:
        """Return the numbers that are leaving students on the roster."""
        return {number for number in self._known_numbers(numbers) if self.own.get(number)}

    def owners(self, numbers: Iterable[str]) -> dict[str, Sequence[str]]:
        """Return alias → the leaving students on the roster that have it, in order."""
        return {number: self.aliases[number] for number in self._known_numbers(numbers) if number in self.aliases}

    def _known_numbers(self, numbers: Iterable[str]) -> Iterator[str]:
        for number in numbers:
            if number not in self.looked_up:
                # Without this check, a debt of an owner that was not read would match no student.
                raise LookupError(f"{number} was not looked up on the roster before matching")
            yield number


def read_people(
    stored: CurrentState,
    fields: Sequence[str],
    groups: Mapping[Cell, Rows],
    digests: Mapping[str, bytes],
    *,
    own_numbers: bool,
) -> People:
    """Read the students that these keys may mean, and what else matching needs.

    `digests` are the stored records: their students are known. With `own_numbers` no key is an alias.
    """
    contested = stored.numbers.contested()
    keys = keys_to_resolve(groups, digests)
    own = stored.numbers.listed(keys)
    aliases = stored.numbers.owners(keys - own.keys())
    rest = keys - own.keys() - aliases.keys()
    if not own_numbers:
        rest -= contested.keys()
    elsewhere = stored.numbers.elsewhere(rest)
    rest -= elsewhere
    within = {key: numbers_within(key) for key in rest}
    near = {key: within[key] | with_lost_zeros(key) | without_addition(key) for key in rest}
    tokens, others = _merged_numbers(within.values()), _merged_numbers(near.values())
    own |= stored.numbers.listed(others)
    if not own_numbers:
        aliases |= stored.numbers.owners(tokens)
    odd = stored.numbers.punctuated(own=own_numbers) if rest else {}
    punctuated = {n: students for n, students in odd.items() if bare(n) in rest or bare(n) in tokens}
    # Keys that may have a better match than a hint: this many more keys are read for hints.
    held = own.keys() | aliases.keys() | {bare(number) for number in punctuated}
    most = HINTED_KEYS + sum(1 for key in rest if key in held or not held.isdisjoint(near[key]))
    meant = {number for number, leaves in own.items() if leaves}
    all_keys = {normalise_number(key) for key in groups if key is not None} if contested else frozenset()
    doubtful = (owners for number, owners in contested.items() if number in all_keys)
    for owners in (*aliases.values(), *doubtful, *punctuated.values()):
        meant.update(owners)
    lengths = stored.numbers.lengths() if rest else frozenset()
    spelled = {spelling for key in sorted(rest)[:most] for spelling in spellings(key, lengths)}
    own |= stored.numbers.listed(spelled)
    return People(
        looked_up=frozenset(keys | others | spelled),
        meant=frozenset(meant),
        own=own,
        aliases=aliases,
        contested=contested,
        elsewhere=elsewhere,
        punctuated=punctuated,
        named=stored.numbers.named(set(names_of(fields, groups, rest, most).values())),
        ends=stored.numbers.ends() if rest else frozenset(),
        lengths=lengths,
    )


def _merged_numbers(sets: Iterable[Iterable[str]]) -> set[str]:
    return {number for numbers in sets for number in numbers}


def spellings(key: str, lengths: Collection[int]) -> Iterator[str]:
    """Yield the numbers that a mistyped key may mean; numbers have one of these lengths."""
    read = key.translate(_LOOK_ALIKE)
    if read != key:
        yield read
    if len(key) in lengths:
        return
    if len(key) - 1 in lengths:
        yield from (key[:at] + key[at + 1 :] for at in range(len(key)))
    if len(key) + 1 in lengths:
        yield from (key[:at] + digit + key[at:] for at in range(len(key) + 1) for digit in "0123456789")


def names_of(
    fields: Sequence[str], groups: Mapping[Cell, Rows], keys: Collection[str], most: int = HINTED_KEYS
) -> dict[str, str]:
    """Return the name in the first row of each of these keys, without blanks; at most `most` names."""
    if "name" not in fields:
        return {}
    at, names = fields.index("name"), dict[str, str]()
    for key, rows in groups.items():
        number = "" if key is None else normalise_number(key)
        if number in keys and rows[0][at] is not None and len(names) < most:
            names[number] = "".join(str(rows[0][at]).split())
    return names
