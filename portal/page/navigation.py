"""Navigation: the entries for staff at the head of every page, each for the accounts that may open it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from portal.auth.permissions import oversees, teaches
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
    Room("/lists/reminder", N_("本班提醒"), (Act.READ,), teaches),
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

#: Pages between an entry and the pages below it, for the breadcrumbs. The longest that begins an address counts.
_BETWEEN: Mapping[str, tuple[str, str]] = {
    "/runs": ("/sources", N_("同步")),
    "/unmatched": ("/sources", ""),
    "/desk/classes": ("/desk", N_("按班终审发证")),
    "/desk/certificates": ("/desk", N_("证书")),
    "/desk/appeals": ("/desk", N_("待答复异议")),
    "/desk/sent-back": ("/desk", ""),
    "/desk/paper": ("/desk", N_("纸面办理")),
    "/desk/import/batches": ("/desk", N_("导入记录")),
    "/desk/import": ("/desk", N_("导入办理结果")),
    "/desk/list": ("/desk", N_("上传全量名单")),
}

#: Pages with none above them.
_TOPMOST = ("/", "/sign-in", "/sign-out", "/styleguide")


@dataclass(frozen=True, slots=True)
class Crumb:
    """A page above the one that is shown."""

    address: str
    title: str


def trail(path: str, rooms: Sequence[Room], *, signed_in: bool) -> tuple[Crumb, ...]:
    """Return the pages above a page, the topmost first. Empty for the pages of the navigation themselves."""
    above = {room.address: room for room in rooms}
    if path in _TOPMOST or path in above or path.startswith("/verify/"):
        return ()
    between = max((part for part in _BETWEEN if f"{path}/".startswith(f"{part}/")), key=len, default="")
    top, title = _BETWEEN[between] if between else ("", "")
    room = above.get(top) or next((one for one in rooms if path.startswith(f"{one.address}/")), None)
    if room is None:
        if signed_in:
            return (Crumb("/", N_("首页")),)
        return (Crumb("/sign-in", N_("登录")),) if path.startswith(("/sign-in/", "/first-password")) else ()
    first = Crumb(room.address, room.title)
    return (first, Crumb(between, title)) if title and path != between else (first,)


def rooms_of(account: Account | None) -> tuple[Room, ...]:
    """Return the entries this account sees."""
    if account is None:
        return ()
    acts = {grant.act for grant in account.grants}
    return tuple(room for room in ROOMS if acts & set(room.acts) and room.only(account))
