"""Comparison of personal names as people write them. Pure."""

import unicodedata

#: The dots that separate the parts of a name; programs replace one by another.
_DOTS = dict.fromkeys(map(ord, "·•‧∙⋅・･．.˙●᛫"), "·")


def same_name(one: str, other: str) -> bool:
    """Return whether two names are equal apart from width, case, spaces and the dot between their parts."""
    return _folded(one) == _folded(other)


def _folded(name: str) -> str:
    # Dots first: NFKC splits some of them.
    text = unicodedata.normalize("NFKC", name.translate(_DOTS)).translate(_DOTS)
    return "".join(c for c in text if not c.isspace() and unicodedata.category(c) not in ("Cf", "Cc")).casefold()
