"""Names as people write them: whether two mean the same person. Pure."""

import unicodedata

#: What separates the parts of a name in many scripts, each written by some program in the place of the others.
_DOTS = dict.fromkeys(map(ord, "·•‧∙⋅・･．.˙●᛫"), "·")


def same_name(one: str, other: str) -> bool:
    """Say whether two names are the same but for width, case, spaces, and which dot stands between their parts."""
    return _folded(one) == _folded(other)


def _folded(name: str) -> str:
    # Dots first: folding widths takes some of them apart.
    text = unicodedata.normalize("NFKC", name.translate(_DOTS)).translate(_DOTS)
    return "".join(c for c in text if not c.isspace() and unicodedata.category(c) not in ("Cf", "Cc")).casefold()
