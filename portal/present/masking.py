"""Masked names and numbers: the holder of the paper recognises them, and they do not identify the student to others."""

import re
import unicodedata

#: Family names of two characters that are in use, one after the other.
_PAIRS = (
    "欧阳太史端木上官司马东方独孤南宫万俟闻人夏侯诸葛尉迟公羊赫连澹台皇甫宗政濮阳公冶太叔申屠公孙慕容仲孙"
    "钟离长孙宇文司徒鲜于司空闾丘子车亓官司寇巫马公西颛孙壤驷公良漆雕乐正宰父谷梁拓跋夹谷轩辕令狐段干百里"
    "呼延东郭南门羊舌微生公户公玉公仪梁丘公仲公上公门公山公坚左丘公伯西门公祖第五公乘贯丘公皙南荣东里东宫"
    "仲长子书子桑即墨达奚褚师纳兰完颜叶赫那拉富察歐陽東方南宮萬俟聞人諸葛尉遲赫連澹臺濮陽公孫仲孫鍾離長孫"
    "鮮于閭丘軒轅東郭南門"
)
_COMPOUND = frozenset(_PAIRS[start : start + 2] for start in range(0, len(_PAIRS), 2))

#: Separators between the parts of a name that is not a Chinese one.
_BETWEEN = re.compile(r"([\s·•・‧∙.\-]+)")
_HIDDEN = "*"

_SHOWN = 4


def mask_name(name: str) -> str:
    """Return a name with only the family name and the last character visible: 王*明, 王*, 欧阳*娜.

    Of a name in parts, or not in Chinese characters, only the first letter of each part is visible: 阿*·买*, J* S*. The
    number of hidden letters is visible only for the given name of a Chinese one.
    """
    plain = "".join(c for c in unicodedata.normalize("NFC", name).strip() if not _invisible(c))
    joined = "".join(plain.split())
    if joined and all(_is_han(c) for c in joined):
        family = 2 if len(joined) > 2 and joined[:2] in _COMPOUND else 1
        given = joined[family:]
        if not given:
            return _HIDDEN
        return joined[:family] + _HIDDEN * max(1, len(given) - 1) + (given[-1] if len(given) > 1 else "")
    parts = _BETWEEN.split(plain)
    return "".join(part if _BETWEEN.fullmatch(part) else _first(part) for part in parts if part) or _HIDDEN


def mask_number(number: str) -> str:
    """Return a number with only its last four characters visible, or at most half of a short one."""
    shown = min(_SHOWN, len(number) // 2)
    return _HIDDEN * (len(number) - shown) + number[len(number) - shown :]


def _first(part: str) -> str:
    """Return a part's first letter with its combining marks, and a star. A single letter is hidden."""
    end = 1
    while end < len(part) and unicodedata.combining(part[end]):
        end += 1
    return f"{part[:end]}{_HIDDEN}" if end < len(part) else _HIDDEN


def _invisible(character: str) -> bool:
    """Return whether it is a variant selector, or a mark of direction or joining."""
    return unicodedata.category(character) in ("Cf", "Cc") or unicodedata.name(character, "").startswith("VARIATION ")


def _is_han(character: str) -> bool:
    code = ord(character)
    return 0x3400 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or 0x20000 <= code <= 0x3FFFF or character == "〇"
