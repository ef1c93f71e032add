"""A local AWS: MiniStack, one process on loopback that runs the functions as processes of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import process
from console import Failure, Step
from workspace import REGION, VENV

_HOST = "127.0.0.1"
_READY_SECONDS = 60
_KEEPER = Path(__file__).with_name("keeper.py")
_EMULATOR = Path(__file__).with_name("emulator.py")

# The owner of the emulated account. Not a secret: it opens nothing but the emulator on this machine.
_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "sardonyx-local", "AWS_SECRET_ACCESS_KEY": "sardonyx-local"}

_ISOLATION = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "NO_PROXY": f"{_HOST},localhost",
    "no_proxy": f"{_HOST},localhost",
}


@dataclass(frozen=True)
class Server:
    """A running MiniStack."""

    port: int
    pid: int
    keeper: subprocess.Popen[bytes]

    @property
    def endpoint(self) -> str:
        return f"http://{_HOST}:{self.port}"

    def api_url(self, api_id: str) -> str:
        """Where MiniStack serves the `$default` stage of an HTTP API."""
        return f"{self.endpoint}/_aws/execute-api/{api_id}/$default"

    def is_up(self) -> bool:
        return self.keeper.poll() is None

    def environment(self) -> dict[str, str]:
        return client_environment(self.endpoint)

    def signed_curl(self, service: str, url: str, query: str) -> str:
        """A `curl` line that calls a service's query API as the owner of the emulated account."""
        user = ":".join(_CREDENTIALS.values())
        return f"curl -sS -w '\\n' --aws-sigv4 aws:amz:{REGION}:{service} --user {user} '{url}' -d '{query}'"

    def client(self, service: str) -> Any:
        """An AWS client of this server."""
        import boto3  # from the tools' environment, which the first run has yet to make

        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=_CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )


def client_environment(endpoint: str) -> dict[str, str]:
    """This program's environment, with what any AWS client needs to talk to a MiniStack."""
    return {**os.environ, **_CREDENTIALS, **_ISOLATION, **_address(endpoint)}


def isolate() -> None:
    """Forgets whatever this person has set for AWS: no profile or region of theirs is ever used."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(_ISOLATION)


def _address(endpoint: str) -> dict[str, str]:
    return {"AWS_ENDPOINT_URL": endpoint, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}


@contextmanager
def running(port: int, directory: Path, step: Step) -> Iterator[Server]:
    """Runs a fresh MiniStack: its state is in memory and ends with it, as do the functions' processes."""
    refuse_taken_port(port)
    temporary = directory / "tmp"
    temporary.mkdir(parents=True)
    log = directory / "ministack.log"
    environment = {
        **_CREDENTIALS,
        **_ISOLATION,
        **_address(f"http://{_HOST}:{port}"),
        "AUTH": "true",  # the roles that the CDK application defines hold here, too
        "BIND_HOST": _HOST,
        "GATEWAY_PORT": str(port),
        "HOME": str(temporary),
        "MINISTACK_REGION": REGION,
        "PATH": os.environ.get("PATH", os.defpath),
        "TMPDIR": str(temporary),
    }
    with log.open("wb") as output:
        keeper = subprocess.Popen(
            [sys.executable, _KEEPER, VENV / "bin" / "python", "-P", _EMULATOR],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            start_new_session=True,
        )
    try:
        server = Server(port, int(keeper.stdout.readline()), keeper)
        _await_ready(server, keeper, log, step)
        yield server
    finally:
        keeper.stdin.close()
        keeper.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return probe.getsockname()[1]


def refuse_taken_port(port: int) -> None:
    """Says what to do about a port that something else uses."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise Failure(
                f"port {port} of {_HOST} cannot be used: {error.strerror}",
                f"end the program that listens there (`ss -ltnp 'sport = :{port}'` shows it), "
                f"or choose another port: make run PORT={port + 1}",
            ) from error


def _await_ready(server: Server, keeper: subprocess.Popen[bytes], log: Path, step: Step) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        if keeper.poll() is not None:
            raise Failure("MiniStack ended at once", f"see {process.shown(log)}", process.tail(log))
        try:
            with opener.open(f"{server.endpoint}/_ministack/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            step.beat("waiting until it answers")
            time.sleep(0.1)
    raise Failure(f"MiniStack is not ready after {_READY_SECONDS} s", "", process.tail(log))
