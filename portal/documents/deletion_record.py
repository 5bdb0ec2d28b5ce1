"""The deletion record of a cohort as PDF: who erased what and when, who approved it, and what is left elsewhere."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from portal.documents import paper_pdf
from portal.documents.paper_pdf import PaperColumn, PaperRow, PaperSection, PrintSet, Wording
from portal.i18n.labels import N_
from portal.i18n.languages import Language

#: The tables that are erased, in words.
WORDS: Mapping[str, str] = {
    "student": N_("离校名单"),
    "alias": N_("学生的其他号码"),
    "record": N_("未结事项（各数据源的记录）"),
    "status": N_("环节状态"),
    "flip": N_("办理记录及依据"),
    "decision": N_("人工办理与终审"),
    "certificate": N_("证书登记"),
    "batch": N_("导入批次"),
    "run": N_("同步记录"),
    "pending": N_("待审批同步保留的数据"),
    "reversal": N_("同步前的记录"),
    "opinion": N_("对暂停同步的表态"),
    "wave": N_("变动报备"),
    "stranger": N_("未匹配数据"),
    "source_state": N_("数据源状态"),
    "applied_settings": N_("已生效的设置"),
    "outbox": N_("通知"),
    "desk_outbox": N_("发给学生和教职工的通知"),
    "objection": N_("异议与退回"),
    "upload": N_("上传的表格"),
    "request": N_("重新查询等申请"),
    "identity": N_("证件号码的散列值"),
    "account": N_("停用的学生账号"),
}


def write(institution: str, language: Language, cohort: str, record: Mapping[str, Any]) -> bytes:
    """Return the PDF."""
    gettext = language.gettext
    ended = datetime.fromisoformat(record["ended_at"])
    facts = [
        (gettext("届"), cohort),
        (gettext("关闭时间"), _moment(language, record["closed_at"])),
        (gettext("开始清除"), _moment(language, record["begun_at"])),
        (gettext("清除完成"), _moment(language, record["ended_at"])),
        (gettext("操作人"), record["by"]),
        (gettext("批准人"), record["approved_by"]),
        (gettext("归档文件"), f"{record['archive']['file']}  SHA-256 {record['archive']['sha256'][:16]}…"),
        (gettext("台账末端"), f"{record['head']['link']}:{record['head']['mac'][:16]}…"),
    ]
    counts = [(gettext(WORDS[name]) if name in WORDS else name, str(count)) for name, count in record["erased"].items()]
    backups = [
        *((path, gettext("已清除")) for path in record["backups_removed"]),
        *((path, gettext("须另行清除")) for path in record["backups_elsewhere"]),
    ]
    title = gettext("%(cohort)s 数据清除记录", cohort=cohort)
    parts = [
        _part(title, ended, 1, (gettext("内容"), gettext("行数")), counts, facts),
        _part(gettext("%(title)s：备份", title=title), ended, 2, (gettext("备份"), gettext("处理")), backups, ()),
    ]
    return paper_pdf.write(
        PrintSet(
            institution=institution,
            notices=(gettext("本记录请与归档文件一并保存。各届的台账予以保留，不含个人信息。"),),
            parts=parts[: 2 if backups else 1],
            how=(gettext("签字（盖章）：________________    日期：________________"),),
            wording=Wording(
                number=gettext("编号"),
                page=gettext("第 %(page)s 页，共 %(pages)s 页"),
                lacks=gettext("字库缺字以〓代替，依次是："),
                language=language.tag,
            ),
            printed_at=ended,
            upright=True,
        )
    )


def _part(
    title: str,
    ended: datetime,
    at: int,
    heads: tuple[str, str],
    rows: Sequence[tuple[str, str]],
    facts: Sequence[tuple[str, str]],
) -> PaperSection:
    return PaperSection(
        title=title,
        number=f"{ended:%Y%m%d}-{at}",
        columns=[PaperColumn(heads[0]), PaperColumn(heads[1], 40)],
        lines=[PaperRow(row) for row in rows],
        facts=facts,
    )


def _moment(language: Language, text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(language.zone):%Y-%m-%d %H:%M}"
