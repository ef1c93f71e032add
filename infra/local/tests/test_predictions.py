"""How answers are compared, and how a golden row becomes tensors."""

import math
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from predictions import Call, columns, difference, encode


class Difference(unittest.TestCase):
    def test_floats_by_distance_and_everything_else_exactly(self):
        self.assertAlmostEqual(difference({"score": 0.5, "label": 1}, {"score": 0.6, "label": 1}), 0.1)
        self.assertEqual(difference({"label": 1}, {"label": 0}), math.inf)
        self.assertEqual(difference({"label": 1}, {"label": "1"}), math.inf)
        self.assertEqual(difference({"score": 0.5}, {}), math.inf)

    def test_lists_by_their_worst_element(self):
        self.assertAlmostEqual(difference({"p": [0.1, 0.9]}, {"p": [0.1, 0.7]}), 0.2)
        self.assertEqual(difference({"p": [0.1]}, {"p": [0.1, 0.9]}), math.inf)

    def test_objects_in_a_list_by_what_is_expected_of_them(self):
        expected = {"offers": [{"id": "a", "score": 0.5}]}
        self.assertAlmostEqual(difference(expected, {"offers": [{"id": "a", "score": 0.4, "more": 1}]}), 0.1)
        for served in ([{"id": "b", "score": 0.5}], [{"id": "a"}], [], ["a"]):
            self.assertEqual(difference(expected, {"offers": served}), math.inf)
        self.assertEqual(difference({"offers": []}, {"offers": []}), 0.0)

    def test_a_number_that_is_none_never_agrees(self):
        self.assertEqual(difference({"label": 1, "score": 0.5}, {"label": 1, "score": math.nan}), math.inf)


class Encode(unittest.TestCase):
    def test_categories_by_index(self):
        feature = {"categories": ["EUR", "USD"], "missing": "nan"}
        self.assertEqual(encode(feature, "USD"), 1.0)
        self.assertEqual(encode(feature, "XXX"), "NaN")

    def test_missing_by_policy(self):
        self.assertEqual(encode({"missing": "nan"}, None), "NaN")
        self.assertEqual(encode({"missing": {"default": 12}}, None), 12)

    def test_booleans_as_numbers(self):
        self.assertEqual(encode({"missing": "nan"}, True), 1.0)


class Columns(unittest.TestCase):
    MANIFEST = {"feature_views": [{"name": "user", "features": [{"name": "vector", "length": 2}, {"name": "age"}]}]}

    def test_a_list_fills_as_many_as_its_view_says(self):
        def of(value, missing):
            return columns({"name": "vector", "source": "user", "missing": missing}, value, self.MANIFEST)

        self.assertEqual(of([1, 2], "nan"), [1, 2])
        self.assertEqual(of(None, "nan"), ["NaN", "NaN"])
        self.assertEqual(of(None, {"default": 7}), [7, 7])
        self.assertEqual(of(None, {"default": [7, 8]}), [7, 8])

    def test_anything_else_fills_one(self):
        self.assertEqual(columns({"name": "age", "source": "user", "missing": "nan"}, 3, self.MANIFEST), [3])
        self.assertEqual(columns({"name": "hour", "source": "request", "missing": "nan"}, None, self.MANIFEST), ["NaN"])


class Curl(unittest.TestCase):
    def test_quotes_survive_the_shell(self):
        line = Call("http://x/$default/y", {"name": "O'Hara"}).curl()
        self.assertIn("'http://x/$default/y'", line)
        self.assertIn("O'\\''Hara", line)


if __name__ == "__main__":
    unittest.main()
