"""What is proposed from names and rows alone: each mapping is right, or is named as a doubt."""

from clearance.setup.probes.sheet import header_of
from clearance.setup.recognise import columns
from clearance.setup.recognise.answers import records_in
from clearance.setup.recognise.systems import recognised
from clearance.setup.recognise.tables import FoundDatabase, FoundTable
from clearance.setup.recognise.views import FoundList, roster_of, source_of

NUMBER = "2015150001"


def listed(name: str, *rows: dict[str, object]) -> FoundList:
    return FoundList(name, tuple(rows[0]), rows, {"connector": "sheet", "path": name})


def test_xm_is_a_name_in_one_office_and_a_charge_in_the_next() -> None:
    people = listed("V_XS", {"XH": NUMBER, "XM": "张一", "PYCC": "本科", "XY": "文学院"})
    charges = listed("V_SFQF", {"XH": NUMBER, "XM": "学费", "QF": "1200.00"})
    roster, fees = roster_of(people), source_of(charges)
    assert roster is not None
    assert roster.columns == {"student": "XH", "name": "XM", "level": "PYCC", "college": "XY"}
    assert fees is not None
    assert fees.columns == {"student": "XH", "amount": "QF", "title": "XM"}
    assert (fees.step, fees.means, fees.name) == ("finance", "balance", "fees")


def test_a_list_without_a_level_is_no_roster() -> None:
    assert roster_of(listed("V", {"XH": NUMBER, "XM": "张一", "XY": "文学院"})) is None


def test_amounts_that_look_like_fen_are_proposed_as_fen_with_a_doubt() -> None:
    rows = [{"XH": f"201515000{n}", "QF": n * 1000 * 100} for n in range(1, 7)]
    proposal = source_of(listed("V_QF", *rows))
    assert proposal is not None
    assert proposal.more["unit"] == "fen"
    assert "look like fen" in " ".join(proposal.doubts)


def test_amounts_in_yuan_are_no_fen() -> None:
    proposal = source_of(listed("V_QF", {"XH": NUMBER, "QF": "4500"}, {"XH": NUMBER, "QF": "1200.50"}))
    assert proposal is not None
    assert "unit" not in proposal.more


def test_what_had_to_be_paid_is_proposed_with_what_was_paid() -> None:
    proposal = source_of(listed("V_SF", {"学号": NUMBER, "应缴": "5000", "实缴": "3000", "减免": "0", "退费": "0"}))
    assert proposal is not None
    assert proposal.columns == {
        "student": "学号", "amount": "应缴", "paid": "实缴", "waived": "减免", "refunded": "退费",
    }  # fmt: skip
    assert proposal.doubts == ()


def test_what_had_to_be_paid_alone_is_a_doubt() -> None:
    proposal = source_of(listed("V_SF", {"学号": NUMBER, "应缴": "5000"}))
    assert proposal is not None
    assert "everybody would owe it" in proposal.doubts[0]


def test_states_of_rooms_are_sorted_by_their_words_and_codes_are_doubted() -> None:
    words = source_of(
        listed("宿舍清退.xlsx", {"学号": NUMBER, "清退状态": "已清退"}, {"学号": NUMBER, "清退状态": "在住"})
    )
    codes = source_of(listed("V_SS", {"XH": NUMBER, "ZT": "0"}, {"XH": NUMBER, "ZT": "1"}, {"XH": NUMBER, "ZT": "7"}))
    assert words is not None
    assert words.more["words"] == {"done": ["已清退"], "not_done": ["在住"]}
    assert (words.step, words.means) == ("dorm", "status")
    assert codes is not None
    assert 'What does "7" in ZT mean?' in codes.doubts[0]
    assert "is a guess" in codes.doubts[1]


def test_a_sample_identifies_nobody() -> None:
    proposal = roster_of(listed("V", {"学号": NUMBER, "姓名": "张一二", "层次": "本科", "学院": "文学院"}))
    assert proposal is not None
    assert proposal.sample == {"student": "******0001", "name": "张*二", "level": "本科", "college": "文学院"}


def test_numbers_of_identity_documents_are_named_and_never_mapped() -> None:
    found = listed("V", {"学号": "110101199001011234", "证件号": "110101199001011234", "欠费": "1"})
    assert columns.identity_columns(found.columns, found.rows) == ["学号", "证件号"]
    assert source_of(found) is None


def test_a_level_that_is_not_known_is_a_doubt() -> None:
    proposal = roster_of(
        listed(
            "V",
            {"学号": NUMBER, "姓名": "张一", "层次": "本科", "学院": "文学院"},
            {"学号": NUMBER, "姓名": "张一", "层次": "预科", "学院": "文学院"},
        )
    )
    assert proposal is not None
    assert proposal.more["levels"] == {"本科": "undergraduate"}
    assert '"预科"' in proposal.doubts[0]


def koha(**borrowers: object) -> FoundDatabase:
    return FoundDatabase(
        "mysql",
        "koha",
        (
            FoundTable("issues", ("issue_id", "borrowernumber", "itemnumber", "date_due")),
            FoundTable("borrowers", ("borrowernumber", "cardnumber", "userid"), rows=[borrowers]),
            FoundTable("borrower_attributes", ("code", "attribute"), rows=[{"code": "XH", "attribute": NUMBER}]),
            FoundTable("accountlines", ("borrowernumber", "amountoutstanding")),
        ),
    )


def test_kohas_attribute_with_the_students_number_is_found_by_the_roster() -> None:
    loans, fines = recognised(koha(cardnumber="C-1", userid="lin"), "env:KOHA_URL", {NUMBER})
    assert loans.connector == {"connector": "koha", "url": "env:KOHA_URL", "asks": "loans", "attribute": "XH"}
    assert loans.doubts == ()
    assert (fines.means, fines.more["obligation"]) == ("balance", "fine")


def test_without_a_roster_kohas_number_is_a_doubt() -> None:
    loans, _ = recognised(koha(cardnumber=NUMBER, userid="lin"), "env:KOHA_URL", frozenset())
    assert "attribute" not in loans.connector
    assert "taken from cardnumber" in loans.doubts[0]


def test_huiwen_and_interlib_are_recognised_by_their_own_names() -> None:
    huiwen = FoundDatabase(
        "oracle",
        "libsys",
        (
            FoundTable("LEND_LST", ("CERT_ID", "PROP_NO", "NORM_RET_DATE"), schema="LIBSYS"),
            FoundTable("READER_CERT", ("REDR_CERT_ID", "CERT_ID", "DEBT"), schema="LIBSYS"),
        ),
    )
    loans, debts = recognised(huiwen, "env:LIB")
    assert loans.connector == {
        "connector": "huiwen", "url": "env:LIB", "asks": "loans", "owner": "LIBSYS", "reader": "CERT_ID",
        "copy_column": "PROP_NO",
    }  # fmt: skip
    assert debts.connector["asks"] == "debts"
    interlib = FoundDatabase(
        "oracle",
        "interlib",
        (
            FoundTable("READER", ("RDID", "WORKCARDNO", "RDCFSTATE")),
            FoundTable("LOAN_WORK", ("RDID", "BARCODE", "RETURNDATE")),
            FoundTable("FIN_DEBT", ("RDID", "MONEY")),
        ),
    )
    assert [each.connector["connector"] for each in recognised(interlib, "env:LIB")] == ["interlib_views"] * 2


def test_a_header_below_titles_is_found() -> None:
    lines: list[tuple[int, tuple[object, ...]]] = [
        (1, ("2027届欠费名单", None, None)),
        (2, ("制表：计财处", None, None)),
        (3, ("序号", "学 号", "欠费")),
        (4, (1, NUMBER, 20)),
    ]
    found = header_of(lines)
    assert found is not None
    assert found[:2] == (3, ("序号", "学号", "欠费"))
    assert found[2] == [{"序号": 1, "学号": NUMBER, "欠费": 20}]


def test_the_list_and_the_total_of_an_answer_are_found_wherever_they_are() -> None:
    body = {"code": 10000, "result": {"total": 7, "per_page": 2, "data": [{"XH": NUMBER}, {"XH": NUMBER}], "tags": []}}
    found = records_in(body)
    assert found is not None
    assert (found.path, found.total_path, found.total) == ("result.data", "result.total", 7)
    assert (found.ok_path, found.ok_value) == ("code", 10000)
    assert records_in({"message": "no"}) is None
