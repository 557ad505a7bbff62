"""Compressed captures: gzip, zstd, xz and lz4, recognised by their magic bytes and decompressed as a stream."""

import io
import sys
from collections.abc import Callable
from typing import Any

from captures.formats.stream import ByteStream, ReadInto


def _gzip(source: Any) -> Any:
    import gzip

    return gzip.GzipFile(fileobj=source, mode="rb")


def _zstd(source: Any) -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd.ZstdFile(source)


class _Xz:
    """xz streams one behind the other, with the zero padding that may stand between them (which lzma.LZMAFile takes for
    the end)."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self._data = b""
        self._inner = self._stream()

    @staticmethod
    def _stream() -> Any:
        import lzma

        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=512 << 20)

    def read1(self, size: int) -> bytes:
        """Up to `size` bytes, b"" at the end. Raises EOFError when the data is cut, LZMAError when it is damaged."""
        while True:
            if self._inner.eof:
                self._data = (self._inner.unused_data or self._source.read1(1 << 16)).lstrip(b"\0")
                while not self._data and (more := self._source.read1(1 << 16)):
                    self._data = more.lstrip(b"\0")
                if not self._data:
                    return b""
                self._inner = self._stream()
            elif not self._data and self._inner.needs_input:
                self._data = self._source.read1(1 << 16)
                if not self._data:
                    raise EOFError
            out: bytes = self._inner.decompress(self._data, size)
            self._data = b""
            if out:
                return out


def _lz4(source: Any) -> Any:
    import lz4.frame

    return lz4.frame.LZ4FrameFile(source)


_KINDS: tuple[tuple[bytes, str, Callable[[Any], Any]], ...] = (
    (b"\x1f\x8b", "gzip", _gzip),
    (b"\x28\xb5\x2f\xfd", "zstd", _zstd),
    (b"\xfd7zXZ\0", "xz", _Xz),
    (b"\x04\x22\x4d\x18", "lz4", _lz4),
)


def decompressed(head: bytes, read_into: ReadInto) -> tuple[str, ByteStream] | None:
    """The name of the compression that `head` shows, and the stream inside; None when `head` shows none.

    Where the compressed data is cut or damaged the stream ends early and says so in its `problem`.
    """
    for magic, name, opener in _KINDS:
        if head.startswith(magic):
            stream = ByteStream(read_into=lambda target: 0)
            stream.feed(_Reading(name, opener(io.BufferedReader(_Source(read_into), 1 << 16)), stream).read_into)
            return name, stream
    return None


class _Source(io.RawIOBase):
    """A `ReadInto` as the file object that the decompressors of the standard library ask for."""

    def __init__(self, read_into: ReadInto) -> None:
        self._read_into = read_into

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._read_into(memoryview(buffer))


class _Reading:
    def __init__(self, name: str, file: Any, stream: ByteStream) -> None:
        self._name, self._file, self._stream = name, file, stream

    def read_into(self, target: Any) -> int:
        try:
            data = self._file.read1(len(target))  # one piece: an error behind it must not lose it
            target[: len(data)] = data
            return len(data)
        except EOFError:
            self._stream.problem = f"the {self._name} data is cut short"
        except Exception as error:  # each library has an exception of its own, known only once it is imported
            self._stream.problem = f"the {self._name} data is damaged: {error}"
        return 0
