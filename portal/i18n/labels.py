"""Labels on the pages for codes of the domain, one table for each kind of code.

They are written in Chinese, marked with `N_` for the catalogue, and translated when they are shown.
"""

from collections.abc import Callable, Mapping, Sequence

from config.settings import Settings
from config.tables.steps import Step
from portal.i18n.languages import Language
from status_db.model import Reason, RunState, State, StepKind, Verdict
from status_db.stored_counts import RunCounts


def N_(text: str) -> str:
    """Mark a sentence for the catalogue. It is translated when it is shown."""
    return text


STATES: Mapping[str, str] = {
    State.CLEARED: N_("通过"),
    State.HELD: N_("不通过"),
    State.NOT_DONE: N_("未办理"),
    State.PENDING: N_("待审核"),
    State.CLOSED: N_("未到此步"),
    State.OPEN: N_("待终审"),
    State.UNKNOWN: N_("数据待核"),
    State.EXEMPT: N_("无需办理"),
}

#: The mark before each label, so that colour is never the only sign.
MARKS: Mapping[str, str] = {
    State.CLEARED: "✓",
    State.HELD: "✕",
    State.NOT_DONE: "○",
    State.PENDING: "…",
    State.CLOSED: "⋯",
    State.OPEN: "…",
    State.UNKNOWN: "?",
    State.EXEMPT: "–",
}

#: The stylesheet's class of each state.
TONES: Mapping[str, str] = {
    State.CLEARED: "good",
    State.HELD: "bad",
    State.NOT_DONE: "todo",
    State.PENDING: "wait",
    State.CLOSED: "wait",
    State.OPEN: "wait",
    State.UNKNOWN: "wait",
    State.EXEMPT: "none",
}

CAUSES: Mapping[str, str] = {
    "run": N_("数据同步"),
    "decision": N_("人工办理"),
    "expiry": N_("办理失效"),
    "roster": N_("名单变动"),
    "settings": N_("设置变更"),
}

RUN_STATES: Mapping[str, str] = {
    RunState.RUNNING: N_("进行中"),
    RunState.APPLIED: N_("已生效"),
    RunState.UNCHANGED: N_("无变化"),
    RunState.SKIPPED: N_("已跳过"),
    RunState.SUSPENDED: N_("已暂停（待批准）"),
    RunState.SUPERSEDED: N_("由后续同步取代"),
    RunState.REJECTED: N_("已否决"),
    RunState.FAILED: N_("失败"),
    RunState.EXPIRED: N_("超时未批"),
    RunState.ABANDONED: N_("异常中断"),
}

RUN_TONES: Mapping[str, str] = {
    RunState.APPLIED: "good",
    RunState.UNCHANGED: "good",
    RunState.SUSPENDED: "todo",
    RunState.FAILED: "bad",
    RunState.ABANDONED: "bad",
    RunState.EXPIRED: "bad",
}

#: The counts of a run, in the order of its page.
COUNTS: Sequence[tuple[Callable[[RunCounts], object], str]] = (
    (lambda counts: counts.rows, N_("数据行")),
    (lambda counts: counts.roster_rows, N_("名单内学生的数据行")),
    (lambda counts: counts.unmatched_keys, N_("未匹配数据")),
    (lambda counts: counts.staying, N_("名单中今年不离校的学生")),
    (lambda counts: counts.no_amount, N_("无金额的行（按 0 计）")),
    (lambda counts: counts.nameless, N_("无学号的行")),
    (lambda counts: counts.records, N_("记录变更")),
    (lambda counts: counts.released, N_("不通过变为通过")),
    (lambda counts: counts.newly_held, N_("通过变为不通过")),
    (lambda counts: counts.newly_unknown, N_("变为数据待核")),
    (lambda counts: counts.counted_cleared, N_("计入“变为通过”的限额")),
    (lambda counts: counts.counted_held, N_("计入“变为不通过”的限额")),
    (lambda counts: counts.leaving, N_("今年离校")),
    (lambda counts: counts.joined, N_("新加入名单")),
    (lambda counts: counts.changed, N_("信息变更")),
    (lambda counts: counts.left, N_("离开名单")),
    (lambda counts: counts.dropped, N_("不再离校")),
    (lambda counts: counts.students, N_("学生")),
    (lambda counts: counts.steps_added, N_("新增的环节")),
    (lambda counts: counts.steps_removed, N_("取消的环节")),
    (lambda counts: counts.findings, N_("变动的结论")),
    (lambda counts: counts.flows, N_("更换流程的学生")),
    (lambda counts: counts.unplaced, N_("无流程的学生")),
    (lambda counts: counts.retired, N_("停用的数据源")),
    (lambda counts: counts.flips, N_("状态变更")),
    (lambda counts: counts.reverts, N_("撤回的同步")),
    (lambda counts: counts.left_alone, N_("此后另有变动、保持不变的记录")),
    (lambda counts: counts.because or None, N_("撤回的原因")),
    (lambda counts: counts.approved or None, N_("经批准后生效")),
    (lambda counts: counts.not_pulled or None, N_("数据源未变，未重新读取")),
)

#: What a source's settings can accept in place of a total.
WEAKER: Mapping[str, str] = {
    "end_of_pages": N_("仅凭已读到末页"),
    "second_pass": N_("凭两次读取一致"),
    "one_answer": N_("仅凭一次应答"),
}

#: Shown beside a source whose settings allow a weaker connection than usual.
WEAKER_CONNECTION = N_("连接加密较弱，请部门升级系统")

PROOFS: Mapping[str, str] = {
    "total_agrees": N_("行数与数据源的计数一致"),
    "end_reached": N_("已读到数据末尾"),
    "no_page_lost": N_("没有缺页或重页"),
    "limit_not_hit": N_("未触及行数上限"),
    "columns_present": N_("所需的列齐全"),
    "charset_sane": N_("文字编码正常"),
    "second_pass_agrees": N_("两次读取结果一致"),
    "accepted": N_("设置允许的较弱校验"),
    "fingerprint_same": N_("数据指纹与上次完整读取时相同"),
    "one_agrees": N_("逐一查询几名不通过的学生，结果与整体读取一致"),
}

#: The state of a flip whose reason is more specific than its verdict. Other reasons are a person's own text.
_REASON_STATES: Mapping[tuple[Verdict, str], State] = {
    (Verdict.HELD, Reason.NOT_DONE): State.NOT_DONE,
    (Verdict.UNKNOWN, Reason.AWAITING_DECISION): State.PENDING,
    (Verdict.UNKNOWN, Reason.AWAITING_REVIEW): State.CLOSED,
}

_VERDICT_STATES: Mapping[Verdict, State] = {
    Verdict.CLEARED: State.CLEARED,
    Verdict.HELD: State.HELD,
    Verdict.UNKNOWN: State.UNKNOWN,
    Verdict.EXEMPT: State.EXEMPT,
}


def state_of(verdict: Verdict, reason: str = "", kind: StepKind = StepKind.SYNCED) -> State:
    """Return the state for a line of a history: by its reason, else by its verdict.

    Before its first decision, a manual step was waiting and a review had not opened.
    """
    if not reason and verdict is Verdict.UNKNOWN and kind is not StepKind.SYNCED:
        return State.PENDING if kind is StepKind.MANUAL else State.CLOSED
    return _REASON_STATES.get((verdict, reason), _VERDICT_STATES[verdict])


def say(language: Language, words: Mapping[str, str], key: str) -> str:
    """Return a key's label in this language; the key itself if it has none."""
    word = words.get(key)
    return language.gettext(word) if word else key


def written_word(language: Language, settings: Settings, word: str) -> str:
    """Return a word of the roster or of a decision in the language, where `words_en` in the settings has it."""
    return language.pick(word, settings.institution.words_en.get(word, ""))


def step_title(language: Language, step: Step) -> str:
    """Return a step's title in this language."""
    return language.pick(step.title, step.title_en)


def step_titles(language: Language, settings: Settings) -> dict[str, str]:
    """Return each step's title in this language."""
    return {step.key: step_title(language, step) for step in settings.step}
