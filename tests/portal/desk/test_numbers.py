"""Numbers as people paste them: read exactly, never guessed."""

import pytest

from portal.desk.graduation.numbers import Uncountable, counted_up, mentioned, pairs


@pytest.mark.parametrize(
    "text",
    [
        "20151001 20151002",
        "20151001、20151002",
        "２０１５１００１；２０１５１００２",
        "20151001\n\n20151002,",
        "20151001林小满20151002赵一鸣",
        "林小满\t20151001\r\n赵一鸣\t20151002",
        "20151001.0 20151002.",
        "20151002和20151001",
        "20151001,20151001,20151002",
    ],
)
def test_whatever_is_between_numbers_separates_them(text: str) -> None:
    assert sorted(mentioned(text)) == ["20151001", "20151002"]


@pytest.mark.parametrize("text", ["", "  \n", "林小满", "Tom Smith"])
def test_what_is_no_number_is_none(text: str) -> None:
    assert mentioned(text) == ()


def test_letters_belong_to_a_number_in_upper_case() -> None:
    assert mentioned("s0216-07") == ("S0216-07",)


class TestTwoColumns:
    @pytest.mark.parametrize(
        "text",
        [
            "20151001\t0071\n20151002\t0072",
            "20151001 0071\r\n20151002 0072\r\n",
            "学号,证书号\n20151001,0071\n20151002，0072",
            "20151001\t林小满\t0071\n20151002\t赵一鸣\t0072",
            "２０１５１００１\t００７１\n\n20151002.0\t0072",
        ],
    )
    def test_they_are_read_as_a_spreadsheet_copies_them(self, text: str) -> None:
        read = pairs(text)
        assert read.numbers == {"20151001": ("0071",), "20151002": ("0072",)}
        assert (read.unreadable, read.duplicates, read.rounded) == ((), (), ())

    def test_a_number_with_a_space_in_it_stays_whole_between_tabs(self) -> None:
        assert pairs("20151001\t毕 2019 001").numbers == {"20151001": ("毕 2019 001",)}

    def test_an_empty_cell_is_not_filled_from_its_neighbour(self) -> None:
        read = pairs("20151001\t林小满\t\n20151002\t赵一鸣\t0072")
        assert (read.unreadable, read.numbers) == ((1,), {"20151002": ("0072",)})

    def test_what_appears_two_times_is_named_on_either_side(self) -> None:
        assert pairs("1 A7\n1 A8").duplicates == ("1",)
        assert pairs("1 A7\n2 A7").duplicates == ("A7",)

    @pytest.mark.parametrize("number", ["1.04911E+17", "1.04911e17", "1E+17"])
    def test_what_a_spreadsheet_has_rounded_is_named(self, number: str) -> None:
        assert pairs(f"20151001\t{number}").rounded == (number,)


class TestCountingUp:
    def test_noughts_and_what_comes_before_are_kept(self) -> None:
        assert counted_up("毕-0098", ["a", "b", "c"]) == {"a": "毕-0098", "b": "毕-0099", "c": "毕-0100"}

    def test_long_numbers_lose_no_digit(self) -> None:
        assert counted_up("104911201905000999", ["a", "b"])["b"] == "104911201905001000"

    @pytest.mark.parametrize("first", ["", "毕", "98", "A-98", "1" * 101, "12B"])
    def test_it_does_not_guess(self, first: str) -> None:
        with pytest.raises(Uncountable):
            counted_up(first, ["a", "b", "c"])
