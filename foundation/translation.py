"""The language of the command line, of checks, errors and notifications.

The texts in the code are English. `locale/zh` has each of them in Chinese; `make messages` keeps it up to date. The
variable CLEARANCE_LANG chooses the language of a process, else its locale. The pages have a mechanism of their own,
because each visitor chooses a language: `portal.i18n`.
"""

import gettext
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

#: Chooses the language: `en` or `zh`.
LANGUAGE_VARIABLE = "CLEARANCE_LANG"

LANGUAGES = ("en", "zh")

LOCALE = Path(__file__).parent / "locale"

#: The name of the catalogues, which is also gettext's own default. So Typer's and argparse's texts are translated too.
_DOMAIN = "messages"

_LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")


def N_(text: str) -> str:
    """Mark a text that is translated later, by `tr`."""
    return text


def tr(text: str, /, **values: object) -> str:
    """Return an English text of the code in the language of this process, with its {values} filled in."""
    return _filled(_catalogue().gettext(text) if text else "", values)


def tr_n(one: str, many: str, number: int, /, **values: object) -> str:
    """Return the text for a number: `one` for 1, else `many`. The number is {number}."""
    return _filled(_catalogue().ngettext(one, many, number), {"number": number, **values})


def language() -> str:
    """Return the language of this block, else of this process."""
    return _for_now.get() or (_chosen[-1] if _chosen else language_of(os.environ))


def language_of(environment: Mapping[str, str]) -> str:
    """Return the language that these variables choose: CLEARANCE_LANG, else the locale, else English.

    As everywhere, the first locale variable that is set counts, and only its language: `zh_CN.UTF-8` is Chinese.
    """
    if (wanted := environment.get(LANGUAGE_VARIABLE, "")) in LANGUAGES:
        return wanted
    locale = next((value for name in _LOCALE_VARIABLES if (value := environment.get(name))), "")
    return "zh" if locale.lower().replace("-", "_").split("_")[0] == "zh" else "en"


def wrong_language(environment: Mapping[str, str]) -> str:
    """Return the error of a CLEARANCE_LANG that names no language we have, with the fix; empty when it is right."""
    wanted = environment.get(LANGUAGE_VARIABLE, "")
    if wanted in ("", *LANGUAGES):
        return ""
    return (
        f'{LANGUAGE_VARIABLE} is "{wanted}", which is not a language of this program. Set it to: {", ".join(LANGUAGES)}'
    )


def use_language(code: str) -> None:
    """Set the language of this process from now on, for Typer's own texts too. Call it before Typer is imported."""
    _chosen[:] = [code]
    os.environ["LANGUAGE"] = code
    gettext.bindtextdomain(_DOMAIN, str(LOCALE))


@contextmanager
def in_language(code: str) -> Iterator[None]:
    """Write the texts of this block in another language than the process's, in this thread alone."""
    token = _for_now.set(code)
    try:
        yield
    finally:
        _for_now.reset(token)


#: What `in_language` has set.
_for_now: ContextVar[str] = ContextVar("language", default="")

#: What `use_language` has set.
_chosen: list[str] = []


def _filled(text: str, values: Mapping[str, object]) -> str:
    """Fill in the values. Without any, the text may contain braces."""
    return text.format(**values) if values else text


def _catalogue() -> gettext.NullTranslations:
    return _catalogue_of(language())


@cache
def _catalogue_of(code: str) -> gettext.NullTranslations:
    """Return the compiled catalogue. English needs none."""
    if code == "en":
        return gettext.NullTranslations()
    return gettext.translation(_DOMAIN, LOCALE, languages=[code], fallback=True)
