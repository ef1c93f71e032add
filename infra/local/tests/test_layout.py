"""Which functions of a binary lie together."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from layout import Section, in_order, read_map, read_trace, symbols_at

MAP = """\
             VMA              LMA     Size Align Out     In      Symbol
          200300           200300       1c     1         <internal>:(.interp)
          724e80           724e80       10    16         fraud.lto.o:(.text._ZN4start17h0E)
          724e80           724e80       10     1                 _ZN4start17h0E
          724e90           724e90       2a    16         fraud.lto.o:(.text.unlikely._ZN4fail17h1E)
          724ec0           724ec0       31     1         libc.a(exit.o):(.text)
          724f00           724f00       40    16         fraud.lto.o:(.text._ZN4load17h2E)
"""
TRACE = """\
fn=(1) 0x0000000000724e90
0x724e93 0 3
calls=1 0x724f3f 0
0x724f3f 0 120
0x724f40 0 1
0x724ec8 0 2
"""


class Layout(unittest.TestCase):
    def test_what_was_run_is_found_in_the_map(self) -> None:
        with_code = read_map(MAP.splitlines(keepends=True))
        self.assertEqual(with_code[1], Section(0x724E90, 0x2A, "_ZN4fail17h1E"))
        self.assertEqual(len(with_code), 3)
        addresses = read_trace(TRACE.splitlines())
        self.assertEqual(addresses, {0x724E93, 0x724F3F, 0x724F40, 0x724EC8})
        self.assertEqual(symbols_at(addresses, with_code), ["_ZN4fail17h1E", "_ZN4load17h2E"])

    def test_what_most_binaries_run_comes_first(self) -> None:
        self.assertEqual(in_order([["a", "b", "c"], ["c", "d"], ["d", "c", "b"]]), ["c", "b", "d", "a"])


if __name__ == "__main__":
    unittest.main()
