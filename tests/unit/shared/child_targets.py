"""What the children of test_child.py do: each function is one way for a child to behave or misbehave."""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from shared.errors import DocumentError, TransientError

Send = Callable[[Any], None]


def echo(args: Any, send: Send) -> Any:
    send({"got": args})
    return args


def count(args: int, send: Send) -> int:
    for number in range(args):
        send(number)
    return args


def segfault(args: Any, send: Send) -> None:
    send({"page": 3})
    ctypes.string_at(0)


def leave(args: int, send: Send) -> None:
    os._exit(args)


def sleep(args: float, send: Send) -> None:
    send({"pid": os.getpid()})
    time.sleep(args)


def talk_forever(args: float, send: Send) -> None:
    while True:
        send("still here")
        time.sleep(args)


def hang_in_c(args: Any, send: Send) -> None:
    """Holds the interpreter lock for ever, as a library in an endless loop does: no thread or signal gets in."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    send({"pid": os.getpid()})
    ctypes.PyDLL(None).sleep(1000)


def burn(args: Any, send: Send) -> None:
    while True:
        pass


def eat_memory(args: Any, send: Send) -> None:
    eaten = []
    while True:
        eaten.append(bytearray(64 << 20))


def too_much_at_once(args: int, send: Send) -> bytes:
    return bytes(args)


def lie_about_length(args: Any, send: Send) -> None:
    _channel().sendall(b"\xff\xff\xff\xff")
    time.sleep(100)


def garbage(args: bytes, send: Send) -> None:
    _channel().sendall(len(args).to_bytes(4, "big") + args)
    time.sleep(100)


def document_error(args: Any, send: Send) -> None:
    raise DocumentError("pdf_corrupt", "Page 7 is broken.", hint="Tear it out.")


def transient_error(args: Any, send: Send) -> None:
    raise TransientError("rate_limited", retry_after=2.5)


def surprise(args: Any, send: Send) -> None:
    raise KeyError("a sentence from the document")


def own_connection_error(args: Any, send: Send) -> None:
    raise ConnectionRefusedError("not the parent")


def surroundings(args: Any, send: Send) -> dict[str, Any]:
    with open("/proc/self/environ", "rb") as file:
        exec_environment = file.read().decode()
    return {
        "environ": dict(os.environ),
        "exec": exec_environment,
        "fds": len(os.listdir("/proc/self/fd")),
        "main": sys.modules["__main__"].__dict__.get("__file__"),
    }


def connect(args: list[Any], send: Send) -> str:
    try:
        socket.create_connection((args[0], args[1]), timeout=2).close()
    except OSError as exc:
        return type(exc).__name__
    return "connected"


def leave_a_grandchild(args: Any, send: Send) -> None:
    grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    send({"pid": grandchild.pid})
    time.sleep(1000)


def warm(args: Any, send: Send) -> str:
    pymupdf = importlib.import_module("pymupdf")
    with pymupdf.open() as pdf:
        pdf.new_page().insert_text((72, 72), "warm")
        return str(pdf[0].get_text()).strip()


def _channel() -> socket.socket:
    for name in os.listdir("/proc/self/fd" if sys.platform == "linux" else "/dev/fd"):
        fd = int(name)
        if fd > 2:
            try:
                return socket.socket(fileno=os.dup(fd))
            except OSError:
                continue
    raise AssertionError("no channel")
