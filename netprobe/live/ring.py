"""Where a capture is kept: one pcapng file, stdout, or files that follow each other, named as tcpdump names them.

Every file is whole by itself and can be read while it grows: packets are written as they come, nothing waits in this process.
When a file is closed it gets a statistics block: what the kernel dropped meanwhile, and until when was listened.
"""

import os
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from analyzers.attempts.attempt import FILE_SHIFT
from captures import write
from netprobe import __version__
from netprobe.errors import BadTarget
from netprobe.live.nic import Taken

_NAMES = 4096


class Listening(Protocol):
    """What is asked of an interface that is being listened on: see `nic.Nic`."""

    link: int

    def counts(self) -> tuple[int, int]: ...
    def direction(self, data: bytes) -> int: ...


@dataclass(frozen=True, slots=True)
class Rotation:
    """When the next file begins: `size_bytes` and `seconds` are 0 where that does not count, `count` 0 is without end.

    As tcpdump has it, `count` files of a size are written round and round, but after `count` files of a time it is over.
    """

    size_bytes: int = 0
    seconds: int = 0
    count: int = 0

    def name(self, path: str, number: int, now: float) -> str:
        """The name of the `number`-th file (from 0). Times go in where `%` asks for them; sizes are counted behind the name.

        Raises `BadTarget` where files of a time would all bear one name.
        """
        if self.seconds:
            if "%" not in path:
                raise BadTarget(
                    f"-G writes one file after another: put the time into the name, as in {path}-%Y%m%dT%H%M%S"
                )
            path = time.strftime(path, time.localtime(now))
        if not self.size_bytes:
            return path
        if self.count and not self.seconds:
            return f"{path}{number % self.count:0{len(str(self.count - 1))}d}"
        return f"{path}{number or ''}"


class Files:
    """Numbers the packets as Wireshark will, and writes them where they are wanted. `path` None writes nothing, "-" to stdout.

    `names` are those of the files by their index in frame ids; `ended` when as many files of a time as wanted are full.
    Raises `BadTarget` for a name that cannot be used, OSError when a file cannot be made or written.
    """

    def __init__(self, path: str | None, rotation: Rotation, nic: Listening, interface: str, snaplen: int) -> None:
        self._path, self._rotation, self._nic = path, rotation, nic
        self._head = write.section(application=f"netprobe {__version__}")
        self._head += write.interface(nic.link, interface, snaplen)
        self._handle: int | None = None
        self._periods = self._in_period = 0
        self._before = (0, 0)  # the counters when this file began
        self._dropped = 0  # said of it so far
        self._since = time.time()
        self.names = Names()
        self.ended = False
        self._open(interface)

    def _open(self, unwritten: str = "") -> None:
        name = unwritten
        if self._path == "-":
            self._handle, name = os.dup(1), "stdout"
        elif self._path is not None:
            name = self._rotation.name(self._path, self._in_period, self._since)
            self._handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        self._index = self.names.add(name)
        self._delivered = self._size = self._last_ns = 0
        self._put(self._head)

    def write(self, taken: Iterable[Taken]) -> list[int]:
        """Put these packets down; returns the frame id of each."""
        ids, blocks = [], bytearray()
        for frame in taken:
            if self._handle is not None:
                if self._rotation.size_bytes and self._size + len(blocks) > self._rotation.size_bytes:
                    self._put(blocks)
                    blocks.clear()
                    self._close(self._last_ns)
                    self._in_period += 1
                    self._open()
                blocks += write.packet(0, frame.ts_ns, frame.data, self._nic.direction(frame.data), frame.length)
            self._delivered += 1
            self._last_ns = max(self._last_ns, frame.ts_ns)
            ids.append(self._index << FILE_SHIFT | self._delivered)
        self._put(blocks)
        return ids

    def turn(self, now: float, listened_ns: int) -> None:
        """Begin the next file when the time of this one is over, and say in this one when packets were dropped."""
        if self._handle is not None and self._nic.counts()[1] != self._dropped:
            self._count(listened_ns)
        if self._handle is None or not self._rotation.seconds or now < self._since + self._rotation.seconds:
            return
        self._close(listened_ns)
        self._periods, self._in_period, self._since = self._periods + 1, 0, now
        self.ended = self._periods == self._rotation.count
        if not self.ended:
            self._open()

    def until(self) -> float | None:
        """When `turn` has something to do next."""
        return self._since + self._rotation.seconds if self._rotation.seconds and self._handle is not None else None

    def close(self, listened_ns: int) -> None:
        """Finish the last file."""
        if self._handle is not None:
            self._close(listened_ns)

    def _close(self, listened_ns: int) -> None:
        self._count(listened_ns)
        self._before = self._nic.counts()
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _count(self, listened_ns: int) -> None:
        """The kernel's counters since this file began, and how many packets stand in it; the last one of a file counts."""
        received, self._dropped = self._nic.counts()
        since = (received - self._before[0], self._dropped - self._before[1])
        self._put(write.statistics(0, max(self._last_ns, listened_ns), *since, self._delivered))

    def _put(self, data: bytes | bytearray) -> None:
        if self._handle is None:
            return
        self._size += len(data)
        with memoryview(data) as view:
            at = 0
            while at < len(view):
                at += os.write(self._handle, view[at:])


class Names(Sequence[str]):
    """The names of the files, by index; as many of the last ones as may still be spoken of."""

    def __init__(self) -> None:
        self._last: deque[str] = deque(maxlen=_NAMES)
        self._count = 0

    def add(self, name: str) -> int:
        self._last.append(name)
        self._count += 1
        return self._count - 1

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < self._count:
            raise IndexError(index)
        back = self._count - index
        return self._last[-back] if back <= len(self._last) else "an earlier file"
