"""The manual page clearance(1), from the help of the command line."""

from collections.abc import Iterator
from typing import Any

from clearance.cli.help_texts import argument_name
from foundation.translation import use_language
from supply.reference.commands_page import commands, is_left_out, usage
from supply.reference.languages import english


def manual_page(version: str) -> str:
    """Return the page, in English. The process must not have collected the help in another language."""
    use_language("en")
    pieces = [
        f'.TH CLEARANCE 1 "" "clearance {version}" "User Commands"',
        ".SH NAME",
        r"clearance \- collect what graduates still owe, and show where each student stands",
        ".SH SYNOPSIS",
        r".B clearance",
        r"[\fIOPTIONS\fR] \fICOMMAND\fR [\fIARGUMENTS\fR]",
    ]
    for path, command in commands():
        pieces.append(".SH DESCRIPTION" if len(path) == 1 else f".SS {_plain(usage(path, command, english()))}")
        pieces.extend(_paragraphs(command.help or ""))
        if len(path) == 1:
            pieces.append(".SH OPTIONS")
        pieces.extend(_options(command))
        if len(path) == 1:
            pieces += [".SH EXIT STATUS", *_paragraphs(command.epilog or ""), ".SH COMMANDS"]
    pieces += [
        ".SH FILES",
        ".TP",
        r"\fI/etc/clearance/clearance.toml\fR",
        "The settings file of a server.",
        ".SH SEE ALSO",
        r"\fI/usr/share/doc/clearance\-sync/\fR",
    ]
    return "\n".join(pieces) + "\n"


def _options(command: Any) -> Iterator[str]:  # noqa: ANN401 - Typer's own copy of click has no public types
    for each in command.params:
        if is_left_out(each):
            continue
        if each.param_type_name == "argument":
            name = rf"\fI{_plain(argument_name(each))}\fR"
        else:
            name = ", ".join(rf"\fB{_plain(word)}\fR" for word in (*each.opts, *each.secondary_opts))
            name += "" if each.is_flag else rf" \fI{_plain(str(each.metavar or each.name).upper())}\fR"
        yield from (".TP", name, _plain(" ".join((each.help or "").split())) or r"\&")


def _paragraphs(text: str) -> Iterator[str]:
    for number, each in enumerate(text.replace("\b", "").replace(r"\[", "[").split("\n\n")):
        if number:
            yield ".PP"
        yield _plain(" ".join(each.split()))


def _plain(text: str) -> str:
    """Return a text in which troff finds nothing of its own."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("…", "...")
    return rf"\&{escaped}" if escaped.startswith((".", "\\(aq")) else escaped
