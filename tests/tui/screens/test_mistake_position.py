from __future__ import annotations

from tui.screens.mistake_position import MistakePosition
from tui.widgets.mistake_gallery import Mistake


def _mistakes(*indexes: int) -> list[Mistake]:
    return [Mistake(index, 7, {"keras": 1}) for index in indexes]


def test_a_digit_stays_selected_when_the_list_changes() -> None:
    position = MistakePosition()
    position.select(2)
    assert position.locate({"both": _mistakes(3, 5, 9)}) == "both"
    position.locate({"both": _mistakes(5, 9, 12)})
    assert position.number == 1
    position.locate({"both": _mistakes(1, 4, 11)})
    assert position.number == 2, "the next digit replaces one that is no longer wrong"


def test_positions_outside_of_the_list_are_clipped() -> None:
    position = MistakePosition()
    for number, expected in ((9, 1), (-3, 0)):
        position.select(number)
        position.locate({"both": _mistakes(3, 5)})
        assert position.number == expected
    position.locate({})
    assert position.number == 0


def test_lists_are_selected_in_turn_and_one_without_an_evaluation_is_replaced() -> None:
    position, lists = MistakePosition(), {"both": _mistakes(1), "pytorch": _mistakes(2), "keras": []}
    names = []
    for _ in range(4):
        names.append(position.locate(lists))
        position.select_next_list(lists)
    assert names == ["both", "pytorch", "keras", "both"]
    assert position.locate({"keras": []}) == "keras"
