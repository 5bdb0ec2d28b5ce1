"""The cost of a row of the printed sheets, compared with fpdf2's own table: `python -m benchmarks.paper`.

Both print 25 classes of 40. The table has no head, no foot and no short form of a long text, so the ratio is a lower
bound. The fastest of several rounds counts.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from fpdf import FPDF
from fpdf.fonts import FontFace

from portal.documents import paper_pdf
from portal.documents.paper_pdf import Fill, PaperColumn, PaperRow, PaperSection, PrintSet, Wording
from portal.documents.slip_pdf import FONT

CLASSES, STUDENTS, ROUNDS = 25, 40, 4

COLUMNS = (
    PaperColumn("学号", 25),
    PaperColumn("姓名", 25),
    PaperColumn("状态", 26),
    PaperColumn("欠什么", 39),
    PaperColumn("办理", 11, Fill.TICK),
    PaperColumn("原因", 22, Fill.BLANK),
    PaperColumn("经手人签字", 24, Fill.BLANK),
    PaperColumn("办理时间", 18, Fill.BLANK),
)
ROWS = [("20150001", "阿卜杜热合曼·阿卜杜克热木", "不通过 2 项", "1 册未还（《构造地质学》应还 5月30日）")] * STUDENTS


def sheets() -> None:
    """Print the classes as the portal does."""
    part = PaperSection("图书馆", "0525-0806-LIB-1", COLUMNS, [PaperRow(row) for row in ROWS])
    wording = Wording("纸号", "%(page)s/%(pages)s", "字库没有：", "zh-CN")
    printed_at = datetime(2019, 5, 25, tzinfo=UTC)
    paper_pdf.write(PrintSet("山海大学", ["打印于"], [part] * CLASSES, ["打勾"], wording, printed_at, upright=True))


def tables() -> None:
    """Print the classes as bare tables of the library, each on new pages."""
    pdf = FPDF()
    pdf.add_font("paper", fname=FONT)
    pdf.set_font("paper", size=9.5)
    for _ in range(CLASSES):
        pdf.add_page()
        with pdf.table(
            col_widths=[column.width for column in COLUMNS],
            line_height=4.2,
            padding=1.2,
            min_row_height=9,
            text_align="LEFT",
            headings_style=FontFace(),
        ) as table:
            table.row([column.title for column in COLUMNS])
            for row in ROWS:
                table.row([*row, "□", "", "", ""])
    pdf.output()


def seconds(write: Callable[[], None]) -> float:
    """Return the processor time of the fastest round."""
    taken: list[float] = []
    for _ in range(ROUNDS):
        start = time.process_time()
        write()
        taken.append(time.process_time() - start)
    return min(taken)


def main() -> None:
    """Measure both in one run."""
    own, library = seconds(sheets), seconds(tables)
    rows = CLASSES * STUDENTS
    print(f"own {rows / own:,.0f} rows/s, table {rows / library:,.0f} rows/s, ratio {library / own:.1f}")


if __name__ == "__main__":
    main()
