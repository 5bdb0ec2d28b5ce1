"""The text of a PDF of ours, as a program reads it that copies out of it."""

import re
from zlib import decompressobj


def pages_of(pdf: bytes) -> list[str]:
    """Return the text of each page, each drawn piece on a line of its own."""
    letters = {
        bytes.fromhex(code.decode()): bytes.fromhex(text.decode()).decode("utf-16-be")
        for code, text in re.findall(rb"^<([0-9A-F]{4})> <([0-9A-F]+)>$", pdf, re.MULTILINE)
    }
    pages: list[str] = []
    # A page's drawing follows the page itself; the streams after the last one are the font's.
    for start in re.finditer(rb"/Type /Page\n.*?stream\n", pdf, re.DOTALL):
        drawn = decompressobj().decompress(pdf[start.end() :])
        said: list[str] = []
        for piece in re.findall(rb"\(((?:[^\\]|\\.)*?)\) Tj", drawn, re.DOTALL):
            codes = re.sub(rb"\\(.)", lambda m: {b"r": b"\r", b"n": b"\n"}.get(m[1], m[1]), piece, flags=re.DOTALL)
            said.append("".join(letters[codes[i : i + 2]] for i in range(0, len(codes), 2)))
        pages.append("\n".join(said))
    return pages


def text_of(pdf: bytes) -> str:
    """Return the whole text."""
    return "\n".join(pages_of(pdf))
