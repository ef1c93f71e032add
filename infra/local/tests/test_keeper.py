"""Nothing outlives the program that started it."""

import os
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path

_LOCAL = Path(__file__).resolve().parents[1]
# A server with a child that ignores polite requests, as a function in a loop might.
_SERVER = ["sh", "-c", "(trap '' TERM; while :; do sleep 0.1; done) & sleep 60"]


def _start_keeper(**pipes):
    return subprocess.Popen([sys.executable, _LOCAL / "keeper.py", *_SERVER], start_new_session=True, **pipes)


def _gone(group: int, seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


class Keeper(unittest.TestCase):
    def test_the_group_ends_when_standard_input_closes(self):
        keeper = _start_keeper(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        group = int(keeper.stdout.readline())
        keeper.stdin.close()
        keeper.wait(20)
        keeper.stdout.close()
        self.assertTrue(_gone(group, 0.1))

    def test_the_group_ends_when_its_starter_is_killed(self):
        starter = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import subprocess, sys\n"
                "keeper = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, start_new_session=True)\n"
                "keeper.wait()",
                sys.executable,
                _LOCAL / "keeper.py",
                *_SERVER,
            ],
            stdout=subprocess.PIPE,
        )
        group = int(starter.stdout.readline())
        starter.send_signal(signal.SIGKILL)
        starter.wait()
        starter.stdout.close()
        self.assertTrue(_gone(group))

    def test_the_group_ends_when_the_server_does(self):
        keeper = _start_keeper(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        group = int(keeper.stdout.readline())
        os.kill(group, signal.SIGKILL)
        keeper.wait(20)
        keeper.stdin.close()
        keeper.stdout.close()
        self.assertTrue(_gone(group, 0.1))

    def test_a_signal_to_the_keeper_changes_nothing(self):
        keeper = _start_keeper(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        group = int(keeper.stdout.readline())
        os.kill(keeper.pid, signal.SIGTERM)
        time.sleep(0.5)
        self.assertIsNone(keeper.poll())
        keeper.stdin.close()
        keeper.wait(20)
        keeper.stdout.close()
        self.assertTrue(_gone(group, 0.1))


if __name__ == "__main__":
    unittest.main()
