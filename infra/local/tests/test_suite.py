"""What the summary of `make test` adds up."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from suite import count


class Count(unittest.TestCase):
    def test_a_command_without_tests_is_one_check(self):
        self.assertEqual(count("Finished", 0), (1, 0))
        self.assertEqual(count("error: unused", 101), (0, 1))

    def test_cargo_test_has_a_line_per_binary(self):
        output = (
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n"
            "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n"
        )
        self.assertEqual(count(output, 101), (4, 2))

    def test_nextest(self):
        ok = "     Summary [   0.012s] 12 tests run: 12 passed, 3 skipped\n"
        slow = "     Summary [  12.512s] 9 tests run: 9 passed (2 slow), 0 skipped\n"
        bad = "     Summary [   2.1s] 10/12 tests run: 7 passed (1 leaky), 2 failed, 1 timed out, 3 skipped\n"
        self.assertEqual(count(ok, 0), (12, 0))
        self.assertEqual(count(slow, 0), (9, 0))
        self.assertEqual(count(bad, 100), (7, 3))

    def test_node(self):
        self.assertEqual(count("# tests 5\n# suites 0\n# pass 4\n# fail 1\n# cancelled 0\n", 1), (4, 1))
        self.assertEqual(count("ℹ tests 5\nℹ suites 0\nℹ pass 5\nℹ fail 0\n", 0), (5, 0))

    def test_unittest(self):
        self.assertEqual(count("Ran 5 tests in 0.001s\n\nOK\n", 0), (5, 0))
        self.assertEqual(count("Ran 5 tests in 0.001s\n\nFAILED (failures=1, errors=2)\n", 1), (2, 3))
        self.assertEqual(count("Ran 1 test in 0.001s\n\nFAILED (errors=1)\n", 1), (0, 1))

    def test_colours_do_not_hide_a_summary(self):
        self.assertEqual(count("\x1b[32mtest result: ok\x1b[0m. 2 passed; 0 failed; 0 ignored\n", 0), (2, 0))

    def test_a_runner_that_breaks_off_has_failed(self):
        self.assertEqual(count("test result: ok. 3 passed; 0 failed; 0 ignored\nerror: no such file", 101), (3, 1))


if __name__ == "__main__":
    unittest.main()
