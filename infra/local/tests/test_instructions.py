"""When counts of instructions are too many."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import instructions


def counted(**medians: float) -> dict:
    return {"rows": [{"case": "fraud", "metric": metric, "median": median} for metric, median in medians.items()]}


class Increases(unittest.TestCase):
    def test_more_than_a_twentieth_is_told(self) -> None:
        before = counted(cold_start=1_000_000, warm_call=1_000)
        self.assertEqual(instructions.increases(before, counted(cold_start=1_050_000, warm_call=10)), [])
        (told,) = instructions.increases(before, counted(cold_start=1_050_001, warm_call=1_000))
        self.assertEqual(told, "fraud cold_start: 1,050,001, before 1,000,000")

    def test_what_was_not_counted_before_is_not_compared(self) -> None:
        before = counted(cold_start=1_000)
        self.assertEqual(instructions.increases(before, counted(cold_start=1_000, warm_call=9_999)), [])

    def test_each_processor_has_counts_of_its_own(self) -> None:
        machine = {"arch": "x86_64", "family": "25", "model": "17", "cores": "2"}
        self.assertEqual(instructions.of_processor(machine), "instructions-x86_64-25-17")
        self.assertNotEqual(instructions.of_processor(machine | {"model": "1"}), "instructions-x86_64-25-17")

    def test_what_is_not_counted_any_more_is_told(self) -> None:
        (told,) = instructions.increases(counted(cold_start=1_000, warm_call=10), counted(cold_start=1_000))
        self.assertEqual(told, "fraud warm_call is not counted any more")


if __name__ == "__main__":
    unittest.main()
