"""How long rows are kept: each rule of the settings, its last run, and the rows it has removed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.responses import Response
from starlette.routing import Route

from portal.access.requires import for_visitors
from portal.i18n import labels
from portal.i18n.labels import N_
from portal.i18n.languages import Language
from portal.page.context import SignedIn
from status_db.accounts.accounts import Act
from status_db.desk.retention import RetentionRun, RetentionRuns

#: What each rule removes, and when its time begins.
RULES = {
    "sessions": N_("登录会话（自登录起）"),
    "login_attempts": N_("登录失败计数（自最后一次失败起）"),
    "used_tickets": N_("用过的统一登录票据（自使用起）"),
    "one_time_codes": N_("一次性密码（自使用或失效起）"),
    "tokens": N_("接口令牌（自吊销或到期起）"),
    "uploads": N_("上传的表格（自确认起）"),
    "requests": N_("页面上提出的请求（自处理起）"),
    "audit": N_("操作日志"),
    "closed_accounts": N_("停用的学生账号（自停用起）"),
    "identities": N_("证件号码的密钥摘要（自导入起）"),
    "kept_snapshots": N_("暂停的同步所保留的数据（自同步结束起）"),
}

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class RuleLine:
    """One rule of retention, and the rows it has removed."""

    title: str
    key: str
    span: str
    at: str
    removed: int
    unfinished: bool
    in_all: int
    oldest: str


async def retention_page(context: SignedIn) -> Response:
    """Show the rules."""
    language, now = context.language, context.now
    last, removed = await context.ask_long(_read_runs, context.services.retention_runs)
    spans = context.settings.retention.spans(session_longest=context.settings.auth.session_longest)
    rules = [
        _rule_line(language, rule, span, last.get(rule), removed.get(rule, 0), now) for rule, span in spans.items()
    ]
    return context.page("retention.html", rules=rules)


def _read_runs(runs: RetentionRuns) -> tuple[dict[str, RetentionRun], dict[str, int]]:
    return runs.last(), runs.removed()


def _rule_line(
    language: Language, rule: str, span: timedelta | None, last: RetentionRun | None, removed: int, now: datetime
) -> RuleLine:
    return RuleLine(
        title=labels.say(language, RULES, rule),
        key=rule,
        span=_duration_text(language, span),
        at=language.moment(last.at, now) if last else "",
        removed=last.removed if last else 0,
        unfinished=last.unfinished if last else False,
        in_all=removed,
        oldest=language.moment(last.oldest, now) if last and last.oldest else "",
    )


def _duration_text(language: Language, span: timedelta | None) -> str:
    if span is None:
        return language.gettext("不清除")
    if span >= _DAY:
        return language.gettext("%(days)s 天", days=span.days)
    return language.gettext("%(hours)s 小时", hours=max(1, round(span.total_seconds() / 3600)))


ROUTES = (Route("/retention", for_visitors(retention_page, Act.MANAGE, Act.AUDIT)),)
