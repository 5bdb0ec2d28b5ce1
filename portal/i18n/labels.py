"""The words of the pages for the words of the domain, one table each.

They stand here in Chinese, marked with `later` for the catalogue, and are said in the reader's language when needed.
"""

from collections.abc import Callable, Mapping, Sequence

from config.settings import Settings
from config.tables.steps import Step
from portal.i18n.languages import Language
from status_db.model import Reason, RunState, State, StepKind, Verdict
from status_db.stored_counts import RunCounts


def later(text: str) -> str:
    """Mark a sentence for the catalogue; it is said in some language later."""
    return text


STATES: Mapping[str, str] = {
    State.CLEARED: later("通过"),
    State.HELD: later("不通过"),
    State.NOT_DONE: later("未办理"),
    State.PENDING: later("待审核"),
    State.CLOSED: later("未到此步"),
    State.OPEN: later("待终审"),
    State.UNKNOWN: later("数据待核"),
    State.EXEMPT: later("无需办理"),
}

#: What stands before each word, so that colour is never all there is.
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

#: What the stylesheet calls a state.
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
    "run": later("数据同步"),
    "decision": later("人工办理"),
    "expiry": later("决定到期"),
    "roster": later("名单变动"),
    "settings": later("设置变动"),
}

RUN_STATES: Mapping[str, str] = {
    RunState.RUNNING: later("进行中"),
    RunState.APPLIED: later("已应用"),
    RunState.UNCHANGED: later("无变化"),
    RunState.SKIPPED: later("已跳过"),
    RunState.SUSPENDED: later("已暂停，待批准"),
    RunState.SUPERSEDED: later("已被后来的运行取代"),
    RunState.REJECTED: later("已否决"),
    RunState.FAILED: later("失败"),
    RunState.EXPIRED: later("批准期限已过"),
    RunState.ABANDONED: later("中途中断"),
}

RUN_TONES: Mapping[str, str] = {
    RunState.APPLIED: "good",
    RunState.UNCHANGED: "good",
    RunState.SUSPENDED: "todo",
    RunState.FAILED: "bad",
    RunState.ABANDONED: "bad",
    RunState.EXPIRED: "bad",
}

#: What a run counts, in the order of its page.
COUNTS: Sequence[tuple[Callable[[RunCounts], object], str]] = (
    (lambda counts: counts.rows, later("数据行")),
    (lambda counts: counts.roster_rows, later("名单内学生的数据行")),
    (lambda counts: counts.strangers, later("名单外的人")),
    (lambda counts: counts.staying, later("名单上今年不离校的学生")),
    (lambda counts: counts.no_amount, later("没有金额的行（按 0 计）")),
    (lambda counts: counts.nameless, later("没有学号的行")),
    (lambda counts: counts.records, later("记录变更")),
    (lambda counts: counts.released, later("不通过变为通过")),
    (lambda counts: counts.newly_held, later("通过变为不通过")),
    (lambda counts: counts.newly_unknown, later("变为数据待核")),
    (lambda counts: counts.counted_cleared, later("计入放行限额")),
    (lambda counts: counts.counted_held, later("计入拦截限额")),
    (lambda counts: counts.leaving, later("今年离校")),
    (lambda counts: counts.joined, later("新加入名单")),
    (lambda counts: counts.changed, later("信息变更")),
    (lambda counts: counts.left, later("离开名单")),
    (lambda counts: counts.dropped, later("不再离校")),
    (lambda counts: counts.students, later("学生")),
    (lambda counts: counts.steps_added, later("新增的环节")),
    (lambda counts: counts.steps_removed, later("取消的环节")),
    (lambda counts: counts.findings, later("改变的结果")),
    (lambda counts: counts.flows, later("换了流程的学生")),
    (lambda counts: counts.unplaced, later("没有流程的学生")),
    (lambda counts: counts.retired, later("停用的来源")),
    (lambda counts: counts.flips, later("状态变更")),
    (lambda counts: counts.reverts, later("撤回的运行")),
    (lambda counts: counts.left_alone, later("此后另有变化而保留的记录")),
    (lambda counts: counts.because or None, later("撤回的原因")),
    (lambda counts: counts.approved or None, later("由人批准后写入")),
    (lambda counts: counts.not_pulled or None, later("来源数据未变，未重新读取")),
)

#: What a source's settings may accept in place of a total.
WEAKER: Mapping[str, str] = {
    "end_of_pages": later("只凭翻到末页"),
    "second_pass": later("凭两次读取一致"),
    "one_answer": later("只凭一次应答"),
}

#: Shown beside a source whose settings allow a weaker connection than usual.
WEAKER_CONNECTION = later("连接的加密较弱，请来源单位升级")

PROOFS: Mapping[str, str] = {
    "total_agrees": later("行数与来源自己的计数一致"),
    "end_reached": later("已读到来源的结尾"),
    "no_page_lost": later("没有缺页或重页"),
    "limit_not_hit": later("未触及行数上限"),
    "columns_present": later("所需的列齐全"),
    "charset_sane": later("文字编码正常"),
    "second_pass_agrees": later("两次读取结果一致"),
    "accepted": later("设置中接受的较弱证明"),
    "fingerprint_same": later("来源的数据指纹与上次完整读取时相同"),
    "one_agrees": later("逐个询问几名未通过的学生，结果与整体读取一致"),
}

#: What a flip's reason says beyond its verdict; others are a decision's own words and stay as they are.
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
    """Return the state a history's line shows: what the reason says, else what the verdict does.

    Before its first decision, a manual step was waiting and a review had not opened.
    """
    if not reason and verdict is Verdict.UNKNOWN and kind is not StepKind.SYNCED:
        return State.PENDING if kind is StepKind.MANUAL else State.CLOSED
    return _REASON_STATES.get((verdict, reason), _VERDICT_STATES[verdict])


def say(language: Language, words: Mapping[str, str], key: str) -> str:
    """Say a key's word; a key without one stands for itself."""
    word = words.get(key)
    return language.gettext(word) if word else key


def step_title(language: Language, step: Step) -> str:
    """Return a step's title in this language."""
    return language.pick(step.title, step.title_en)


def step_titles(language: Language, settings: Settings) -> dict[str, str]:
    """Return each step's title in this language."""
    return {step.key: step_title(language, step) for step in settings.step}
