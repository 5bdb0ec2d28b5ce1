"""The students of the demo university in 2019: 4,215 graduates in 12 colleges, invented, the same for the same seed."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

GRADUATES = 4_215
DELAYED = 38
SECOND_DEGREE = 26

_POSTGRADUATE_SHARE = 0.2
_COMMUTER_SHARE = 0.035
_OTHER_CARD_SHARE = 0.05
_FORMER_NUMBER_SHARE = 0.01

#: Name, campus, code, weight.
_COLLEGES = (
    ("地球科学学院", "南望山校区", "11", 5),
    ("资源学院", "南望山校区", "12", 7),
    ("材料与化学学院", "南望山校区", "13", 7),
    ("环境学院", "未来城校区", "14", 8),
    ("工程学院", "南望山校区", "15", 12),
    ("机械与电子信息学院", "未来城校区", "16", 12),
    ("经济管理学院", "南望山校区", "17", 13),
    ("外国语学院", "未来城校区", "18", 6),
    ("信息工程学院", "未来城校区", "19", 11),
    ("数学与物理学院", "未来城校区", "20", 6),
    ("艺术与传媒学院", "南望山校区", "21", 7),
    ("公共管理学院", "南望山校区", "22", 6),
)

_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢"
    "姚沈钟姜崔谭陆范汪廖石金韦贾夏付方邹熊白孟秦邱侯江尹薛闫段雷龙黎史陶贺毛郝顾龚邵万覃武钱戴严莫孔向常"
)
_GIVEN = (
    "明华丽强伟芳敏静军洋勇艳杰娟涛超秀霞平刚桂玉兰文斌梅鑫波宁浩凯雪琳晨欣怡子涵宇轩梓雨泽佳思远嘉俊瑞一"
    "诺可馨若曦天佑书瑶景行知夏乐安清和望舒云帆星河予墨修远听雨半夏南风"
)

COMMUTER = "校外走读"


@dataclass(frozen=True, slots=True)
class Student:
    """One invented student, as on the registrar's list."""

    number: str
    #: The card number in the library's system; usually the student number.
    card: str
    #: An earlier number, before a change of major; usually empty.
    former: str
    name: str
    level: str
    category: str
    college: str
    class_name: str
    campus: str
    #: COMMUTER for students who live elsewhere.
    building: str
    room: str

    @property
    def leaving(self) -> bool:
        """Whether the student leaves this year."""
        return self.category != "延期"

    @property
    def commuter(self) -> bool:
        """Whether the student lives off campus."""
        return self.building == COMMUTER


def students(seed: int) -> tuple[Student, ...]:
    """Return all students on the registrar's list: the graduates, and those who stay a year longer."""
    random = Random(f"{seed}/students")
    categories = ["毕业"] * (GRADUATES - SECOND_DEGREE) + ["第二学位"] * SECOND_DEGREE + ["延期"] * DELAYED
    random.shuffle(categories)
    return tuple(_generate(random, categories))


def _generate(random: Random, categories: list[str]) -> Iterator[Student]:
    weights = [weight for *_, weight in _COLLEGES]
    sizes: dict[str, int] = {}
    for category in categories:
        college, campus, code, _ = random.choices(_COLLEGES, weights)[0]
        postgraduate = category != "第二学位" and random.random() < _POSTGRADUATE_SHARE
        year = 2016 if postgraduate else 2017 if category == "第二学位" else 2014 if category == "延期" else 2015
        serial = sizes[college] = sizes.get(college, 0) + 1
        number = f"12{year}{code}{serial:04d}" if postgraduate else f"{year}{code}{serial:04d}"
        class_name = f"{'S' if postgraduate else ''}{code}{year % 100}{1 + serial % (2 if postgraduate else 8)}"
        commuter = random.random() < _COMMUTER_SHARE
        building = COMMUTER if commuter else _building(random, campus, postgraduate=postgraduate)
        yield Student(
            number=number,
            card=f"L{random.randrange(10**7):07d}" if random.random() < _OTHER_CARD_SHARE else number,
            former=f"{year - 1}{code}9{serial:03d}" if random.random() < _FORMER_NUMBER_SHARE else "",
            name=_random_name(random),
            level="硕士研究生" if postgraduate else "本科生",
            category=category,
            college=college,
            class_name=class_name,
            campus=campus,
            building=building,
            room="" if commuter else f"{random.randint(1, 6)}{random.randint(1, 30):02d}",
        )


def _building(random: Random, campus: str, *, postgraduate: bool) -> str:
    if postgraduate:
        return f"研究生公寓{random.randint(1, 3)}栋"
    area = "东区" if campus.startswith("南望山") else "学海园"
    return f"{area}{random.randint(1, 14)}栋"


def _random_name(random: Random) -> str:
    given = "".join(random.sample(_GIVEN, random.choice((1, 2, 2, 2))))
    return random.choice(_SURNAMES) + given
