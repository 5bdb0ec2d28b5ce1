"""The institution's look: its colour, made readable on light and dark grounds, and its emblem."""

import hashlib
from dataclasses import dataclass

import structlog

from config.settings import Institution
from portal.web.links import link

#: Below the static files, so that browsers cache them likewise.
EMBLEM, COLOURS = "/static/own/emblem", "/static/own/colours.css"

#: The grounds that the colour must stand out from, in the stylesheet: the darkest of the light ones, the lightest of
#: the dark ones.
_LIGHT_GROUND, _DARK_GROUND = "#eaf1fa", "#202832"
_WHITE, _BLACK = "#ffffff", "#000000"

#: The least contrast of words, by WCAG 2.2 AA.
_CONTRAST = 4.5

_TYPES = {".svg": "image/svg+xml", ".png": "image/png", ".webp": "image/webp", ".jpg": "image/jpeg"}


@dataclass(frozen=True, slots=True)
class Look:
    """The emblem and the colour's stylesheet. Empty where the settings have none."""

    emblem: bytes
    emblem_type: str
    colours: str

    @property
    def emblem_address(self) -> str:
        """The emblem's address, with a digest so that browsers can keep it."""
        return f"{link(EMBLEM)}?{_digest(self.emblem)}" if self.emblem else ""

    @property
    def colours_address(self) -> str:
        """The address of the colour's stylesheet, with a digest."""
        return f"{link(COLOURS)}?{_digest(self.colours.encode())}" if self.colours else ""


def look_of(institution: Institution) -> Look:
    """Return the look in the settings. An emblem that cannot be read is left out and logged."""
    emblem, kind = b"", ""
    if institution.emblem is not None:
        kind = _TYPES.get(institution.emblem.suffix.lower(), "")
        try:
            emblem = institution.emblem.read_bytes() if kind else b""
        except OSError as error:
            structlog.get_logger("clearance.portal").warning("emblem unreadable", message=str(error))
        if not kind:
            structlog.get_logger("clearance.portal").warning("emblem of an unknown type", file=str(institution.emblem))
    return Look(emblem, kind, _stylesheet(institution.colour) if institution.colour else "")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


def _stylesheet(colour: str) -> str:
    """Return the accent in the stylesheet's names, darkened or lightened until it is readable."""
    light = _readable(colour, _LIGHT_GROUND, _BLACK)
    dark = _readable(colour, _DARK_GROUND, _WHITE)
    fill = _readable(colour, _WHITE, _BLACK)
    return (
        f":root {{ --brand: {light}; --brand-strong: {_mixed(light, _BLACK, 0.25)}; --brand-fill: {light}; "
        f"--brand-soft: {_mixed(colour, _WHITE, 0.9)}; }}\n"
        f"@media only screen and (prefers-color-scheme: dark) {{ :root {{ --brand: {dark}; "
        f"--brand-strong: {_mixed(dark, _WHITE, 0.35)}; --brand-fill: {fill}; "
        f"--brand-soft: {_mixed(colour, _DARK_GROUND, 0.8)}; }} }}\n"
    )


def _readable(colour: str, ground: str, toward: str) -> str:
    """Return the colour mixed with black or white until it is readable on the ground."""
    for part in range(0, 101, 5):
        mixed = _mixed(colour, toward, part / 100)
        if contrast(mixed, ground) >= _CONTRAST:
            return mixed
    return toward


def _mixed(one: str, other: str, part: float) -> str:
    return "#" + "".join(
        f"{round(a + (b - a) * part):02x}" for a, b in zip(_channels(one), _channels(other), strict=True)
    )


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours (#rrggbb) by WCAG: from 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (channel / 255 for channel in _channels(colour))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
