"""The one fixed cast of the tests: invented people at an invented university, and what they owe."""

from dataclasses import dataclass
from datetime import UTC, datetime

#: When the tests' stories begin: the first morning of the leaving season, 08:00 in Shanghai.
MORNING = datetime(2019, 5, 25, 0, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Person:
    """One invented student, as the registrar lists them."""

    number: str
    name: str
    level: str
    college: str
    class_name: str
    campus: str
    building: str
    category: str = "毕业"
    card: str = ""
    former: str = ""

    def listed(self) -> dict[str, str]:
        """Return the registrar's row."""
        return {
            "学号": self.number,
            "姓名": self.name,
            "培养层次": self.level,
            "学院": self.college,
            "班级": self.class_name,
            "校区": self.campus,
            "楼栋": self.building,
            "类别": self.category,
            "一卡通": self.card,
            "原学号": self.former,
        }


LIN = Person("20151001", "林小满", "本科", "地球科学学院", "011151", "南望山", "东区12栋", card="C-1001")
ZHAO = Person("20151002", "赵一鸣", "本科", "地球科学学院", "011151", "南望山", "校外走读")
QIAN = Person("20152003", "钱程", "本科", "资源学院", "021152", "未来城", "西区3栋", former="20142003")
SUN = Person("20152004", "孙若楠", "本科", "资源学院", "021152", "未来城", "西区3栋")
LI = Person("1201610005", "李维", "硕士", "资源学院", "S0216", "未来城", "研5栋")
ZHOU = Person("20141006", "周延", "本科", "地球科学学院", "011141", "南望山", "东区12栋", category="延期")

EVERYBODY = (LIN, ZHAO, QIAN, SUN, LI, ZHOU)
LEAVING = (LIN, ZHAO, QIAN, SUN, LI)

#: A book on loan, as a library's row.
GEOLOGY_LOAN = {"CARD": "20151001", "TITLE": "构造地质学", "DUE": "2019-05-30", "BARCODE": "B0001"}
#: Five books of one student: so many that the guard looks when all of them are gone.
GEOLOGY_LOANS = [{**GEOLOGY_LOAN, "BARCODE": f"B001{i}"} for i in range(5)]
POETRY_LOAN = {"CARD": "20152003", "TITLE": "唐诗选", "DUE": "2019-06-02", "BARCODE": "B0002"}
