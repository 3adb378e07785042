"""Runs of Python in processes of their own that need not import everything again.

Starting Python and importing numpy, typer and zipfit takes longer than most of what tests ask the command for. So this
file, run as a script, imports them once, and forks for each run: the child has its own arguments, folder, environment
and standard streams, and ends as any process does. It has one thread at that moment, so that nothing is lost by it.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CAN_FORK = sys.platform == "linux"
"""Elsewhere there is no fork, or the system's own libraries do not survive one."""

STREAMS = 3

TIMEOUT_SECONDS = 300


def run(
    command: Sequence[str], cwd: Path, env: Mapping[str, str], stdin: bytes | int | None = None
) -> subprocess.CompletedProcess[str] | None:
    """Run a command of this Python to its end; None where that cannot be done in this way.

    Parameters
    ----------
    command
        This Python, and either ``-m`` and a module or the path of a script, and its arguments.
    cwd, env
        Of the run.
    stdin
        What a pipe shall bring, or a file descriptor; None for nothing.
    """
    if command[0] != sys.executable or not CAN_FORK or _read_at_start(env) != _server(os.getpid()).read_at_start:
        return None
    with (
        _input(stdin) as reading,
        tempfile.TemporaryFile("w+", encoding="utf-8") as stdout,
        tempfile.TemporaryFile("w+", encoding="utf-8") as stderr,
    ):
        streams = (reading, stdout.fileno(), stderr.fileno())
        try:
            status = _server(os.getpid()).run((command[1:], str(cwd), dict(env)), streams)
        except BaseException:
            # It may yet answer, and that would be taken for the answer to the next request.
            _server(os.getpid()).kill()
            _server.cache_clear()
            raise
        said = []
        for stream in (stdout, stderr):
            stream.seek(0)
            said.append(stream.read())
    return subprocess.CompletedProcess(command, status, *said)


@contextlib.contextmanager
def _input(content: bytes | int | None) -> Iterator[int]:
    """Give the descriptor of a standard input."""
    if isinstance(content, int):
        yield content
    elif content is None:
        with Path(os.devnull).open("rb") as nothing:
            yield nothing.fileno()
    else:
        reading, writing = os.pipe()
        pump = threading.Thread(target=_pump, args=(writing, content))
        pump.start()
        try:
            yield reading
        finally:
            # Now nobody reads, so that the other thread does not wait.
            os.close(reading)
            pump.join()


def _pump(writing: int, content: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), os.fdopen(writing, "wb") as pipe:
        pipe.write(content)


def _read_at_start(env: Mapping[str, str]) -> dict[str, str]:
    """What Python reads when it starts, and not again."""
    return {name: value for name, value in env.items() if name.startswith("PYTHON")}


class _Server:
    """The process that forks."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(TIMEOUT_SECONDS)
        # The linear algebra of numpy would start threads of its own.
        env = os.environ | {"PYTHONUTF8": "1", "OPENBLAS_NUM_THREADS": "1"}
        self.read_at_start = _read_at_start(env)
        with theirs:
            # A group of its own, so that what it started can be killed with it.
            self._process = subprocess.Popen(
                [sys.executable, __file__], stdin=theirs.fileno(), env=env, start_new_session=True
            )
        atexit.register(self.kill)

    def run(self, request: object, streams: Sequence[int]) -> int:
        """Exit status of a run with these standard streams; that of a signal is negative."""
        message = json.dumps(request).encode() + b"\n"
        socket.send_fds(self._socket, [message[:1]], streams)
        self._socket.sendall(message[1:])
        answer = self._socket.recv(64)
        if not answer:
            raise RuntimeError(f"{__file__} has ended")
        return int(answer)

    def kill(self) -> None:
        """End the process, and a run that has not ended."""
        atexit.unregister(self.kill)
        self._socket.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@cache
def _server(_process: int) -> _Server:
    """One for each process that runs tests."""
    return _Server()


def _serve() -> None:
    # With what the commands import where they need it, and what typer does at its first command line.
    from zipfit import cli, evaluating_files, explaining_files, merge, pipeline, progress  # noqa: F401

    sys.argv = ["zipfit", "--version"]
    with contextlib.redirect_stdout(io.StringIO()):
        cli.main()
    with socket.socket(fileno=os.dup(0)) as tests:
        while True:
            begin, files, _, _ = socket.recv_fds(tests, 1, STREAMS)
            if not begin:
                return
            message = begin
            while not message.endswith(b"\n"):
                message += tests.recv(1 << 16)
            child = os.fork()
            if child == 0:
                tests.close()
                words, cwd, env = json.loads(message)
                _become(words, cwd, env, files)
                _run()
                sys.exit()
            for file in files:
                os.close(file)
            _, status = os.waitpid(child, 0)
            tests.sendall(str(os.waitstatus_to_exitcode(status)).encode())


def _become(words: Sequence[str], cwd: str, env: Mapping[str, str], files: Sequence[int]) -> None:
    """Take on what the run is told."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv[:] = words


def _run() -> None:
    """Do what Python does with its command line."""
    if sys.argv[0] == "-m":
        del sys.argv[0]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    _serve()
