"""Where an account receives notifications, as the pages of accounts show it."""

from typing import Any

from portal.i18n.labels import N_
from portal.page.context import Context

#: Why addresses are refused, with the fix.
WRONG_ADDRESS = N_(
    "没有保存：邮箱应像 wang@example.edu.cn。企业微信、钉钉的成员号只含字母、数字和 _ . @ -。请改正后再保存。"
)
#: The same where `mail_domains` does not have the address's domain.
OTHER_DOMAIN = N_(
    "没有保存：通知只发到本校的邮箱。请改为本校邮箱后再保存；如需其他域名，请管理员在 [notify] mail_domains 中添加。"
)


async def address_fields(context: Context, account: str, student: str | None, post_to: str) -> dict[str, Any]:
    """Return the values of the form; none for students, where notifications are off, and on the students' pages."""
    if student is not None or not context.services.for_staff or not context.settings.notify.enabled:
        return {"notify_addresses": None}
    found = await context.ask_long(context.services.addresses.of, account)
    return {"notify_addresses": found, "notify_post_to": post_to}
