"""Files, directories and stdin as captures: what to read, in which order, and how to read a frame again later."""

import os
import stat
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import numpy as np

from analyzers.attempts.columns import Array
from captures.formats import NotACapture, Reader, open_capture
from netprobe.errors import UnreadableInput
from netprobe.replay.interrupt import Interrupt

_OPEN_FILES = 32
_SPOOL_BYTES = 16 << 20  # kept frames of a stream stay in memory up to here, then go to a temporary file


@dataclass(slots=True)
class Input:
    """One opened capture. `size` is None for a stream; `shelf` keeps frames of what cannot be read twice."""

    name: str
    reader: Reader
    handle: IO[bytes]
    size: int | None
    shelf: "Shelf | None"


class Shelf:
    """Bytes of kept frames of a stream (a pipe, or compressed input), to be recalled by position."""

    def __init__(self) -> None:
        import tempfile  # and with it random, hashlib, ...: only where a stream is read

        self._file = tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES)  # noqa: SIM115 - lives as long as the shelf
        self._end = 0

    def __call__(
        self,
        buffer: Array,
        start: Array,
        caplen: Array,
    ) -> Array:
        """Put frames away; returns each one's position."""
        view = buffer.data
        self._file.seek(self._end)
        self._file.write(b"".join([view[a : a + n] for a, n in zip(start.tolist(), caplen.tolist(), strict=True)]))
        ends = np.cumsum(caplen, dtype=np.int64) + self._end
        at: Array = ends - caplen
        if len(ends):
            self._end = int(ends[-1])
        return at

    def close(self) -> None:
        self._file.close()

    def recall(self, at: int, length: int) -> bytes:
        self._file.seek(at)
        return self._file.read(length)


def expand(paths: list[str]) -> list[str]:
    """The inputs that the arguments name: `-` for stdin, files as they are, directories with all files below them.

    Raises `UnreadableInput` for a path that does not exist or a directory without files.
    """
    out: list[str] = []
    for path in paths:
        if path == "-" or not os.path.isdir(path):
            if path != "-" and not os.path.exists(path):
                raise UnreadableInput(f"{path}: no such file")
            out.append(path)
            continue
        if not os.access(path, os.R_OK | os.X_OK):
            raise UnreadableInput(f"{path}: permission denied")
        from pathlib import Path  # and with it urllib, fnmatch, ...: only where a directory is read

        found = sorted(str(p) for p in Path(path).rglob("*") if p.is_file() and not p.name.startswith("."))
        if not found:
            raise UnreadableInput(f"{path}: no files in this directory")
        out += found
    return list(dict.fromkeys(out))


def open_input(path: str, interrupt: Interrupt | None = None) -> Input:
    """Open one input and recognise its container; `interrupt` ends it early. Raises `UnreadableInput`."""
    handle = None
    try:
        handle = open(0, "rb", buffering=0, closefd=False) if path == "-" else open(path, "rb", buffering=0)  # noqa: SIM115
        status = os.fstat(handle.fileno())
        regular = stat.S_ISREG(status.st_mode)
        read_into = handle.readinto if interrupt is None else interrupt.guard(handle)
        reader = open_capture(read_into)
    except (NotACapture, OSError) as error:
        if handle is not None:
            handle.close()
        if isinstance(error, NotACapture):
            raise UnreadableInput(f"{display_name(path)}: {error}") from None
        raise UnreadableInput(f"{display_name(path)}: {error.strerror or error}") from None
    rereadable = regular and path != "-" and not reader.compression
    return Input(path, reader, handle, status.st_size if regular else None, None if rereadable else Shelf())


def display_name(path: str) -> str:
    return "stdin" if path == "-" else path


def start_times(paths: list[str]) -> dict[str, int]:
    """The first timestamp of each regular file, where one can be read; streams and broken files are left out."""
    out: dict[str, int] = {}
    for path in paths:
        if path == "-" or not os.path.isfile(path):
            continue
        try:
            opened = open_input(path)
            with opened.handle:
                if opened.shelf is not None:
                    opened.shelf.close()
                window = next(iter(opened.reader), None)
                if window is not None and len(window):
                    out[path] = int(window.ts_ns[0])
        except (UnreadableInput, OSError):
            continue
    return out


class Recaller:
    """Reads kept frames again: `recall(file, at, length)`, from the file itself or from its shelf."""

    def __init__(self) -> None:
        self._inputs: list[tuple[str, Shelf | None]] = []
        self._open: OrderedDict[int, int] = OrderedDict()

    def add(self, name: str, shelf: Shelf | None) -> int:
        """Register an input; returns its file index."""
        self._inputs.append((name, shelf))
        return len(self._inputs) - 1

    def names(self) -> Iterator[str]:
        return (display_name(name) for name, _ in self._inputs)

    def __call__(self, file: int, at: int, length: int) -> bytes:
        name, shelf = self._inputs[file]
        if shelf is not None:
            return shelf.recall(at, length)
        handle = self._open.get(file)
        if handle is None:
            if len(self._open) >= _OPEN_FILES:
                os.close(self._open.popitem(last=False)[1])
            try:
                handle = self._open[file] = os.open(name, os.O_RDONLY)
            except OSError as error:
                raise UnreadableInput(f"{name}: gone or changed while it was read ({error.strerror})") from None
        return os.pread(handle, length, at)

    def close(self) -> None:
        """Let go of files and shelves; nothing can be recalled any more."""
        for _, shelf in self._inputs:
            if shelf is not None:
                shelf.close()
        for handle in self._open.values():
            os.close(handle)
        self._open.clear()
