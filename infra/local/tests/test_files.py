"""How a file of rows is written."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from files import as_csv


class AsCsv(unittest.TestCase):
    def test_a_null_is_a_cell_without_quotes_and_text_keeps_its_commas(self):
        rows = [{"id": "a,b", "count": 1, "share": None}, {"id": "c", "count": 2, "share": 0.5}]
        self.assertEqual(as_csv(rows), 'id,count,share\n"a,b",1,\nc,2,0.5\n')


if __name__ == "__main__":
    unittest.main()
