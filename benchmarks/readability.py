"""How easy the documents are to read, and how often they use words to avoid: `python -m benchmarks.readability`.

For each English document: words of prose, words in a sentence, syllables in a word, and the Flesch reading ease
(206.835 - 1.015 × words in a sentence - 84.6 × syllables in a word; 60 to 70 is plain English, below 30 is for
specialists). For each Chinese document: characters of prose, and characters in a sentence. Prose is text outside of
code, tables and headings; generated pages are left out. Syllables are counted as groups of vowels, which is close
enough to compare a page with itself and with the others.

Then the words to avoid, such as verbs of speech for data, in the product's code and the documents. With -v
each place of theirs.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

#: Written by a program, or a log of changes.
_LEFT_OUT = (
    "docs/error-texts.md",
    "docs/licences.md",
    "docs/reference/",
    "docs/zh/reference/",
    "CHANGELOG.md",
    "docs/templates/",
)

#: Folders of the product's code.
_CODE = ("clearance", "config", "connectors", "demo", "foundation", "portal", "status_db", "sync")

AVOIDED = (
    "told", "tells", "said", "says", "nobody", "stands", "stood", "twice", "anew", "mend", "mends", "nought", "deed",
    "stranger", "strangers", "wave", "waves",
)  # fmt: skip

_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_VOWELS = re.compile(r"[aeiouy]+")
_WORD = re.compile(r"[A-Za-z][A-Za-z'’]*")


@dataclass(frozen=True, slots=True)
class Readability:
    """The figures of one document."""

    document: str
    #: Words, or characters of Chinese.
    words: int
    sentences: int
    #: None for Chinese.
    ease: float | None = None

    @property
    def per_sentence(self) -> float:
        """Words, or characters of Chinese, in a sentence."""
        return self.words / max(self.sentences, 1)


def documents() -> list[Path]:
    """Return the documents that people write."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return sorted(path for path in found if not path.relative_to(ROOT).as_posix().startswith(_LEFT_OUT))


def prose(text: str) -> str:
    """Return a document's paragraphs and list items, each ended by a full stop; links and code as their text."""
    text = re.sub(r"^ *(```|~~~).*?^ *\1", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", text)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    lines = [line for line in text.splitlines() if not line.lstrip().startswith(("|", "#", "<!--"))]
    blocks = re.split(r"\n\s*\n|\n\s*(?=[-*] |\d+\. )", "\n".join(lines))
    stripped = (re.sub(r"`[^`]*`", "it", re.sub(r"^\s*([-*]|\d+\.) ", "", block)) for block in blocks)
    return "\n".join(f"{' '.join(block.split()).rstrip('.:')}." for block in stripped if block.strip())


def measure(document: str, text: str) -> Readability:
    """Return the figures of a document."""
    text = prose(text)
    if len(_CHINESE.findall(text)) > len(_WORD.findall(text)):
        sentences = [each for each in re.split(r"[。！？；.\n]", text) if _CHINESE.search(each)]
        return Readability(document, len(_CHINESE.findall(text)), len(sentences))
    sentences = [each for each in re.split(r"[.!?]+(?=\s|$)", text) if _WORD.search(each)]
    words = _WORD.findall(text)
    if not words:
        return Readability(document, 0, 0, 100.0)
    syllables = sum(map(syllables_of, words)) / len(words)
    ease = 206.835 - 1.015 * len(words) / len(sentences) - 84.6 * syllables
    return Readability(document, len(words), len(sentences), ease)


def syllables_of(word: str) -> int:
    """Return the number of a word's syllables, as groups of vowels without a silent e at the end."""
    plain = word.lower().removesuffix("'s")
    silent = plain.endswith(("e", "es", "ed")) and not plain.endswith(("le", "les", "ted", "ded", "ses", "ces", "ges"))
    return max(len(_VOWELS.findall(plain)) - silent, 1)


def avoided() -> Iterator[tuple[str, str]]:
    """Yield each avoided word with its place: file and line."""
    code = [file for folder in _CODE for file in (ROOT / folder).rglob("*.py")]
    pattern = re.compile(rf"(?<![A-Za-z])({'|'.join(AVOIDED)})(?![A-Za-z])", re.IGNORECASE)
    for file in [*code, *documents()]:
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".md":
            # Names in code marks, such as those of tests and columns, are counted where they are defined.
            text = re.sub(r"`[^`\n]*`", "", text)
        for number, line in enumerate(text.splitlines(), 1):
            for found in pattern.findall(line):
                yield found.lower(), f"{file.relative_to(ROOT).as_posix()}:{number}"


def _lines(rows: Iterable[Readability]) -> Iterator[str]:
    yield f"{'document':<55}{'words':>7}{'a sentence':>12}{'ease':>7}"
    for row in rows:
        ease = "" if row.ease is None else f"{row.ease:.0f}"
        yield f"{row.document:<55}{row.words:>7}{row.per_sentence:>12.1f}{ease:>7}"


def main(arguments: list[str]) -> None:
    """Print the figures, the hardest document first; then the avoided words."""
    measured = [measure(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in documents()]
    english = sorted((row for row in measured if row.ease is not None), key=lambda row: row.ease or 0.0)
    chinese = sorted((row for row in measured if row.ease is None), key=lambda row: -row.per_sentence)
    print("\n".join(_lines([*english, *chinese])))
    places = sorted(avoided())
    print(
        "\navoided words:", ", ".join(f"{word} {count}" for word, count in Counter(w for w, _ in places).most_common())
    )
    if "-v" in arguments:
        print("\n".join(f"  {word:<10} {place}" for word, place in places))


if __name__ == "__main__":
    main(sys.argv[1:])
