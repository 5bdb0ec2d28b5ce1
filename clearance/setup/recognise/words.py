"""Words of offices and of the registrar that are known: levels of students, and states of a room or a step."""

from collections.abc import Iterable, Mapping

#: The registrar's word → our level.
LEVELS: Mapping[str, str] = dict.fromkeys(
    (
        "本科", "本科生", "普通本科", "专升本", "第二学士学位", "专科", "专科生", "高职", "高职高专", "本专科",
        "undergraduate", "bachelor",
    ),
    "undergraduate",
) | dict.fromkeys(
    (
        "硕士", "硕士生", "硕士研究生", "博士", "博士生", "博士研究生", "研究生", "专业学位硕士", "学术学位硕士",
        "postgraduate", "master", "doctor",
    ),
    "postgraduate",
)  # fmt: skip

#: `leaving` or `staying`, by the registrar's word.
CATEGORIES: Mapping[str, str] = dict.fromkeys(
    ("毕业", "结业", "应届", "应届毕业", "毕业生", "第二学位"), "leaving"
) | dict.fromkeys(("延期", "延期毕业", "延长学制", "休学", "在读", "在校", "留级"), "staying")

#: What an office's word means for a step that is read as a state.
STATES: Mapping[str, str] = (
    dict.fromkeys(
        (
            "已清退", "已退宿", "退宿", "已退", "已办理", "已办", "已离校", "已归还", "是", "完成", "通过", "y", "yes",
            "done", "true", "1",
        ),
        "done",
    )
    | dict.fromkeys(
        (
            "未清退", "未退宿", "在住", "未退", "未办理", "未办", "未离校", "否", "未完成", "不通过", "n", "no",
            "false", "0",
        ),
        "not_done",
    )
    | dict.fromkeys(("外宿", "走读", "校外", "校外走读", "未住校", "免", "免办", "无需办理", "2"), "exempt")
)  # fmt: skip


def sorted_into(cells: Iterable[object], known: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return each word that is known with its meaning, and the words that are not, both in the order of the cells."""
    found: dict[str, str] = {}
    unknown: dict[str, None] = {}
    for cell in cells:
        word = str(cell).strip()
        if meaning := known.get(word.casefold()):
            found[word] = meaning
        elif word:
            unknown[word] = None
    return found, list(unknown)
