"""Keeps a server, and whatever it spawns, no longer than the program that started it.

    keeper.py COMMAND…      (prints the server's process id)

The server runs in a process group of its own. When standard input closes, because its starter ended or
was killed in any way, or when the server itself ends, the keeper stops the whole group and then ends.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time

_GRACE_SECONDS = 5
_PR_SET_CHILD_SUBREAPER = 36


def main(command: list[str]) -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # A handler, not SIG_IGN: the server would inherit that.
        signal.signal(number, lambda *_: None)
    if sys.platform == "linux":
        # Orphans of the server become ours to reap; a zombie would keep the group alive.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)

    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True)
    print(server.pid, flush=True)
    try:
        while server.poll() is None:
            if select.select([sys.stdin], [], [], 0.2)[0]:
                break
    finally:
        stop_group(server)
    return server.returncode or 0


def stop_group(server: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + _GRACE_SECONDS
        while time.monotonic() < deadline:
            try:
                os.killpg(server.pid, number)
            except ProcessLookupError:
                return
            reap(server)
            time.sleep(0.05)
            number = 0  # ask once, then only look


def reap(server: subprocess.Popen[bytes]) -> None:
    server.poll()
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
