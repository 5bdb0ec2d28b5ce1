"""Navigation: the entries for staff at the head of every page, each for the accounts that may open it."""

from collections.abc import Callable
from dataclasses import dataclass

from portal.auth.permissions import oversees
from portal.i18n.labels import N_
from status_db.accounts.accounts import Account, Act


@dataclass(frozen=True, slots=True)
class Room:
    """One entry."""

    address: str
    title: str
    #: Accounts with a grant for one of these see it.
    acts: tuple[Act, ...]
    #: A further condition.
    only: Callable[[Account], bool] = lambda _account: True


ROOMS = (
    Room("/desk", N_("离校办理"), (Act.DECIDE, Act.REVIEW, Act.ISSUE)),
    Room("/overview", N_("总览"), (Act.READ, Act.AUDIT)),
    Room("/lists", N_("名单"), (Act.READ, Act.AUDIT)),
    Room("/report", N_("离校报告"), (Act.READ, Act.AUDIT)),
    Room("/students", N_("查找学生"), (Act.READ, Act.AUDIT)),
    Room("/sources", N_("数据源状态"), (Act.READ, Act.MANAGE, Act.AUDIT), oversees),
    Room("/accounts", N_("账号与权限"), (Act.MANAGE, Act.AUDIT)),
    Room("/announcements", N_("公告"), (Act.MANAGE, Act.AUDIT)),
    Room("/audit", N_("操作日志"), (Act.MANAGE, Act.AUDIT)),
    Room("/retention", N_("保留期限"), (Act.MANAGE, Act.AUDIT)),
)


def rooms_of(account: Account | None) -> tuple[Room, ...]:
    """Return the entries this account sees."""
    if account is None:
        return ()
    acts = {grant.act for grant in account.grants}
    return tuple(room for room in ROOMS if acts & set(room.acts) and room.only(account))
