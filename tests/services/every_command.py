"""Every command there is, as the command line itself knows them, and words to call each with."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hypothesis import strategies as st
from typer.main import get_command

from clearance.main import app
from tests.services.small import CLEAR, OWES

#: Letters that something somewhere takes for more than a letter.
ODD = st.sampled_from("\0\x01\x1b\x7f\x9b\u202e\u2028\ufeff\ufffd\U0001f4d5'\"\\%{}[]();:*?¥长é\r\n\t ,=-")

#: A text as somebody may type it, or an office write it. None leads to a file far away.
TEXTS = st.one_of(
    st.text(ODD, max_size=8),
    st.text(max_size=12).map(lambda text: text.replace("/", "_").replace("~", "_")),
    st.sampled_from(
        ("", " ", "长" * 10_000, "9" * 400, "-1", "1e400", "nan", "NULL", "../../x", "1; DROP TABLE run", "2019-13-45")
    ),
)

#: What a command line can hold: no NUL, and bytes that are not text as halves of characters.
_WORDS = st.one_of(TEXTS.map(lambda text: text.replace("\0", "\udcff")), st.just("\udcff"))

#: Words that mean something to some command.
_KNOWN: tuple[str, ...] = (
    *("loans", "fees", "roster", "library", "finance", OWES, CLEAR, "A1", "15001", "文学院", "2019"),
    *("librarian", "dean", "decide:library", "read", "cleared", "held", "赔书", "毕业证", "2099-06-30", "1", "9"),
)

#: What the arguments of commands that need several are called, and a word that each knows.
_USUAL: Mapping[str, str] = {
    "student": OWES, "step": "library", "source": "loans", "account": "librarian", "operator": "librarian",
    "reviewer": "dean",
}  # fmt: skip

#: These go on until they are stopped, or build a university.
_ENDLESS = {("serve",), ("schedule",), ("demo",), ("demo", "offices")}


@dataclass(frozen=True, slots=True)
class Command:
    """One command, and what it takes."""

    words: tuple[str, ...]
    params: tuple[Any, ...]


def commands() -> Iterator[Command]:
    """Give every command that ends by itself."""
    yield from _within(get_command(app), ())


def _within(command: Any, words: tuple[str, ...]) -> Iterator[Command]:
    inside = getattr(command, "commands", None)
    if words and words not in _ENDLESS and not (inside and not command.invoke_without_command):
        yield Command(words, tuple(command.params))
    for name, one in (inside or {}).items():
        yield from _within(one, (*words, name))


@st.composite
def calls(draw: st.DrawFn, among: Sequence[Command]) -> list[str]:
    """Return a whole command line: a command, its arguments, some of its options, each with a word of either kind."""
    command = draw(st.sampled_from(among))
    line = list(command.words)
    for param in command.params:
        if param.name == "help" or not (param.required or draw(st.booleans())):
            continue
        argument = param.param_type_name == "argument"
        line += [] if argument else [param.opts[0]]
        if argument or not param.is_flag:
            most = 2 if argument and param.nargs == -1 else 1
            line += draw(st.lists(_value(param), min_size=1, max_size=most))
    return line


def call(command: Command, words: Mapping[str, str]) -> list[str]:
    """Return a command line with these words for some parameters, and for others that are required one they know."""
    line = list(command.words)
    for param in command.params:
        if param.name not in words and not param.required:
            continue
        word = words.get(param.name) or _USUAL.get(param.name) or (*_choices(param.type_descriptor.annotation), "1")[0]
        line += [word] if param.param_type_name == "argument" else [param.opts[0], word]
    return line


def _value(param: Any) -> st.SearchStrategy[str]:
    known = st.sampled_from(_choices(param.type_descriptor.annotation) or _KNOWN)
    return st.one_of(known.map(str), known.map(str), _WORDS)


def _choices(annotation: Any) -> tuple[str, ...]:
    """Return the words of an enumeration; nothing for any other type."""
    inside = [annotation, *getattr(annotation, "__args__", ())]
    return tuple(str(one) for kind in inside if isinstance(kind, type) and issubclass(kind, StrEnum) for one in kind)
