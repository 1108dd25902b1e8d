"""The forkserver: a small process that imports once what children need, and forks one for each request.

Why not multiprocessing's: its server inherits the service's environment (secrets) and keeps running as long as a
hanging child holds its "alive" pipe, its children unpickle, and its socket is a file that kill -9 leaves behind.
This one is started by exec with a clean environment and no name anywhere, holds each child by a *leash* (a socket
whose other end only the service has), and so ends every child, hung in C code or not, when the service is gone.

Single-threaded on purpose: it forks, and PR_SET_PDEATHSIG of its children goes by its thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import struct
import sys
from typing import NoReturn

NUMBER = struct.Struct("!q")
FORK, KILL = b"f", b"k"
_PARENT_CHECK_SECONDS = 0.5
_CLONE_NEWNET, _CLONE_NEWUSER = 0x40000000, 0x10000000
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38


def main(fd: int) -> None:
    """Read the set-up line, preload, say ready, serve until the service closes its end."""
    control = socket.socket(fileno=fd)
    setup = json.loads(_line(control))
    sys.path[:] = setup["path"]
    alone = _leave_network()  # before any import starts a thread: the kernel refuses it later
    try:
        for name in ["shared.child_main", *setup["preload"]]:
            importlib.import_module(name)
    except Exception as exc:
        control.sendall(json.dumps({"error": f"{type(exc).__name__}: {exc}"}).encode() + b"\n")
        return
    gc.collect()
    gc.freeze()
    server = _Server(control)
    control.sendall(json.dumps({"network": not alone}).encode() + b"\n")
    server.loop()


def _line(control: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        part = control.recv(65536)
        if not part:
            raise SystemExit(0)
        data += part
    return data


def _leave_network() -> bool:
    """Move into an empty network namespace where the system allows it; children inherit it."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    uid, gid = os.geteuid(), os.getegid()
    # Root in a user namespace would lose its right to read other users' files; others have nothing to lose.
    if libc.unshare(_CLONE_NEWNET if uid == 0 else _CLONE_NEWNET | _CLONE_NEWUSER) != 0:
        return False
    if uid != 0:
        with contextlib.suppress(OSError):
            for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
                with open(f"/proc/self/{name}", "w") as file:
                    file.write(text)
    return True


class _Server:
    """The loop: fork on request, kill when a leash is pulled or let go, tell how a child ended."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._pid, self._parent = os.getpid(), os.getppid()
        self._leashes: dict[int, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._woken, self._wake = socket.socketpair()
        for sock in (self._woken, self._wake):
            sock.setblocking(False)
        self._selector.register(control, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        # A signal to the whole group or container must not end work that the service still wants to finish.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)

    def loop(self) -> None:
        """Serve until the service closes its end, or is gone although somebody holds a copy of that end."""
        while os.getppid() == self._parent:
            for key, _ in self._selector.select(_PARENT_CHECK_SECONDS):
                if key.fileobj is self._control:
                    if not self._request():
                        self._end()
                        return
                elif key.fileobj is self._woken:
                    self._reap()
                elif self._leashes.get(key.data) is key.fileobj:  # else reaped since it was selected
                    self._kill(key.data)
                    self._selector.unregister(key.fileobj)
        self._end()

    def _request(self) -> bool:
        message, fds, _, _ = socket.recv_fds(self._control, 1, 2)
        if message != FORK:
            return False
        sockets = [socket.socket(fileno=fd) for fd in fds]
        try:
            data, leash = sockets
            pid = os.fork()
        except (OSError, ValueError):  # no descriptors or processes left: the closed sockets tell the service
            for sock in sockets:
                sock.close()
            return True
        if pid == 0:
            leash.close()
            self._become_child(data)
        data.close()
        leash.setblocking(False)
        self._leashes[pid] = leash
        self._selector.register(leash, selectors.EVENT_READ, pid)
        _tell(leash, pid)
        return True

    def _become_child(self, data: socket.socket) -> NoReturn:
        try:
            os.setsid()
            _die_with_parent(self._pid)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._selector.close()
            for sock in (self._control, self._woken, self._wake, *self._leashes.values()):
                sock.close()
            null = os.open(os.devnull, os.O_RDWR)
            for fd in (0, 1, 2):
                os.dup2(null, fd)
            os.close(null)
            from shared.child_main import serve

            serve(data)
        finally:
            os._exit(70)

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._woken.recv(4096):
                pass
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            with contextlib.suppress(OSError):  # whatever the child itself had started
                os.killpg(pid, signal.SIGKILL)
            leash = self._leashes.pop(pid, None)
            if leash is not None:
                with contextlib.suppress(KeyError, ValueError):
                    self._selector.unregister(leash)
                _tell(leash, os.waitstatus_to_exitcode(status))
                leash.close()

    def _kill(self, pid: int) -> None:
        # Its group exists only after its setsid; before, it has no descendants either. Only this process reaps,
        # so a number in `_leashes` is never that of a stranger.
        if pid not in self._leashes:
            return
        for kill in (os.killpg, os.kill):
            with contextlib.suppress(OSError):
                kill(pid, signal.SIGKILL)

    def _end(self) -> None:
        signal.set_wakeup_fd(-1)  # the ends of children are still told while this process takes itself apart
        for pid in list(self._leashes):
            self._kill(pid)


def _tell(leash: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):
        leash.send(NUMBER.pack(number))


def _die_with_parent(server: int) -> None:
    """Linux: when the server itself is killed. Elsewhere the service kills the group on the server's behalf."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != server:
        os._exit(70)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # out of memory, the system takes the child, not the service
