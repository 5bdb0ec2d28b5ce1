"""The Jinja environments: one for each language, with shared compiled templates."""

import hashlib
from pathlib import Path
from types import CodeType

from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket

from config.settings import Settings
from portal.i18n.languages import Language
from portal.page.look import look_of
from portal.web.links import link

PORTAL = Path(__file__).parents[1]
STATIC = PORTAL / "static"


class _CompiledTemplates(BytecodeCache):
    """Templates as compiled in this process. Every language and every application uses the same code."""

    def __init__(self) -> None:
        self._code: dict[str, tuple[str, CodeType]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Load the code of a template, unless its source has changed."""
        checksum, code = self._code.get(bucket.key, ("", None))
        bucket.code = code if checksum == bucket.checksum else None

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Store the code of a template."""
        if bucket.code is not None:
            self._code[bucket.key] = bucket.checksum, bucket.code


_COMPILED_TEMPLATES = _CompiledTemplates()


def environment(language: Language, settings: Settings) -> Environment:
    """Return the environment of one language."""
    made = Environment(
        loader=FileSystemLoader(PORTAL / "templates"),
        bytecode_cache=_COMPILED_TEMPLATES,
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.install_gettext_translations(language.translations, newstyle=True)  # type: ignore[attr-defined]  # by i18n
    made.globals.update(
        language=language,
        institution=settings.institution,
        own_look=look_of(settings.institution),
        link=link,
        static={
            file.name: _static_address(file) for file in sorted(STATIC.rglob("*")) if file.suffix in (".css", ".svg")
        },
    )
    return made


def _static_address(file: Path) -> str:
    """Return a static file's address with a digest of its content, so that browsers can cache it for ever."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    return f"{link(f'/static/{file.relative_to(STATIC).as_posix()}')}?{digest}"
