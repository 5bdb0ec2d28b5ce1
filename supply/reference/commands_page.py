"""The page of the command line: every command with its arguments and options, from the Typer application."""

from collections.abc import Iterator, Mapping
from typing import Any

from typer.main import get_command

from clearance.main import app
from supply.reference.languages import ReferenceLanguage
from supply.reference.markdown import code, table

#: What Typer adds to every command.
_LEFT_OUT = frozenset({"--help", "--install-completion", "--show-completion"})

_HEAD = """Every command with its arguments and options. Options before the name of a command are those of
`clearance` itself. `--help` after a command prints the same. `make reference` writes this page from the code."""

#: A type as Typer names it → in words.
_TYPES: Mapping[str, str] = {
    "str": "text",
    "int": "whole number",
    "int range": "whole number",
    "bool": "true or false",
    "float": "number",
    "file": "path",
    "directory": "path",
    "path": "path",
    "Path": "path",
}


def page(language: ReferenceLanguage) -> str:
    """Return the page. The process must have been set to English before, by `foundation.translation.use_language`."""
    pieces = [f"# {language.text('Command line')}", language.text(" ".join(_HEAD.split()))]
    for path, command in commands():
        level = "##" if len(path) <= 2 else "###"
        pieces.append(f"{level} `{' '.join(path)}`")
        if command.help:
            pieces.append(_plain(language.help_text(command.help)))
        if not hasattr(command, "commands") or len(path) == 1:
            pieces.append(f"```text\n{_usage(path, command)}\n```")
        if rows := list(_rows(command, language)):
            head = [language.text(word) for word in ("option", "value", "default", "meaning")]
            pieces.append(table(head, rows))
        if command.epilog:
            pieces.append(_plain(language.help_text(command.epilog)))
    return "\n\n".join(pieces) + "\n"


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command and group with its path, in the order of the help."""
    yield from _below(("clearance",), get_command(app))


def _below(path: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:  # noqa: ANN401 - Typer's own copy of click has no public types
    yield path, command
    for name, each in dict(getattr(command, "commands", {})).items():
        if not each.hidden:
            yield from _below((*path, name), each)


def _plain(text: str) -> str:
    """Return a help text as one Markdown paragraph for each of its own."""
    paragraphs = (" ".join(each.split()) for each in text.replace("\b", "").replace(r"\[", "[").split("\n\n"))
    return "\n\n".join(each.replace("<", r"\<") for each in paragraphs)


def _usage(path: tuple[str, ...], command: Any) -> str:  # noqa: ANN401 - as above
    shown = [each for each in command.params if not _left_out(each)]
    words = [*path, *(["[OPTIONS]"] if any(each.param_type_name == "option" for each in shown) else [])]
    for each in shown:
        if each.param_type_name == "argument":
            name = _argument_name(each) + ("…" if each.nargs == -1 else "")
            words.append(name if each.required else f"[{name}]")
    return " ".join([*words, *(["COMMAND …"] if hasattr(command, "commands") else [])])


def _argument_name(parameter: Any) -> str:  # noqa: ANN401 - as above
    return str(parameter.metavar or parameter.name.upper()).removesuffix("...")


def _left_out(parameter: Any) -> bool:  # noqa: ANN401 - as above
    return bool(getattr(parameter, "hidden", False)) or not _LEFT_OUT.isdisjoint(parameter.opts)


def _rows(command: Any, language: ReferenceLanguage) -> Iterator[tuple[str, str, str, str]]:  # noqa: ANN401 - as above
    for each in command.params:
        if _left_out(each):
            continue
        argument = each.param_type_name == "argument"
        named = [_argument_name(each)] if argument else [*each.opts, *each.secondary_opts]
        value = "" if getattr(each, "is_flag", False) else _value(each, language)
        meaning = _plain(language.help_text(each.help)) if each.help else ""
        yield ", ".join(map(code, named)), value, _default(each, language), meaning


def _value(parameter: Any, language: ReferenceLanguage) -> str:  # noqa: ANN401 - as above
    if parameter.metavar and parameter.param_type_name == "option":
        return code(parameter.metavar)
    with_type = parameter.display_type(None).strip("<>")
    several = with_type.startswith("list[")
    name = with_type.removeprefix("list[").rstrip("]") if several else with_type
    words = language.text(_TYPES[name]) if name in _TYPES else ", ".join(code(each) for each in name.split("|"))
    return language.text("{type}, several").format(type=words) if several or parameter.nargs == -1 else words


def _default(parameter: Any, language: ReferenceLanguage) -> str:  # noqa: ANN401 - as above
    if parameter.required:
        return language.text("required")
    value = parameter.default
    if value is None or value is False or value in ("", (), []) or callable(value) or parameter.show_default is False:
        return ""
    return code(str(getattr(value, "value", value)))
