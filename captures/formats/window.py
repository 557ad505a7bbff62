"""What every container yields: windows of frames as columns, and the reader's account of the file."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from captures.formats.stream import ByteStream

Ints = np.ndarray[Any, np.dtype[np.int64]]
MANY_FRAMES = 16_384  # at once: their columns stay in the processor's cache
MAX_FRAME = 262_144  # Wireshark's limit; a record that claims more is damage, not data


def constant(value: int, kind: Any, count: int) -> Any:
    """A column that says the same of every row, in the memory of one."""
    return np.ndarray(count, kind, np.array(value, kind).tobytes(), strides=(0,))


@dataclass(slots=True)
class Interface:
    """One capture interface: its link type (LINKTYPE_ number), clock resolution and what the capturer said of it."""

    link: int
    snaplen: int = 0
    units_per_second: int = 1_000_000
    offset_s: int = 0
    name: str = ""
    dropped: int | None = None  # frames the capturer says it lost; None when it does not say
    delivered: int | None = None  # and how many it says stand in the file,
    counted_ns: int = 0  # and when it counted


@dataclass(slots=True)
class Window:
    """Consecutive frames, one row each. Valid until the next window is asked for: `buffer` is reused.

    `start` is the frame's offset in `buffer`, `at` its position in the (decompressed) stream, `number` its 1-based
    number as Wireshark counts, `ts_ns` nanoseconds since the epoch, `interface` an index into `Reader.interfaces`.
    """

    buffer: np.ndarray[Any, np.dtype[np.uint8]]
    number: Ints
    ts_ns: Ints
    start: Ints
    at: Ints
    caplen: Ints
    origlen: Ints
    interface: Ints
    link: Ints

    def __len__(self) -> int:
        return len(self.start)

    def pieces(self) -> Iterator["Window"]:
        """The same frames in windows of few enough for their columns to stay in the processor's cache."""
        if len(self) <= MANY_FRAMES:
            yield self
            return
        columns = [getattr(self, field.name) for field in fields(self)[1:]]
        for first in range(0, len(self), MANY_FRAMES):
            yield Window(self.buffer, *(column[first : first + MANY_FRAMES] for column in columns))


@dataclass(slots=True)
class Reader:
    """A capture being read. `notes` says what was wrong with the file, for people, in order of appearance."""

    format: str
    stream: ByteStream
    windows: Iterator[Window]
    interfaces: list[Interface] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)  # address -> name, from name resolution blocks
    comments: list[str] = field(default_factory=list)
    compression: tuple[str, ...] = ()
    frames: int = 0
    cut: bool = False

    def __iter__(self) -> Iterator[Window]:
        return self.windows

    @property
    def listened_ns(self) -> int | None:
        """Until when was listened, which may be long after the last frame: None when the capturer does not say, or when
        frames were taken out or added since."""
        told = [interface.delivered for interface in self.interfaces]
        if not told or None in told or sum(count or 0 for count in told) != self.frames:
            return None
        return max(interface.counted_ns for interface in self.interfaces)
