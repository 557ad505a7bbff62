"""Compressed captures: gzip, zstd, xz and lz4, recognised by their magic bytes and decompressed as a stream."""

import lzma
import zlib
from collections.abc import Callable
from typing import Any, Protocol

from captures.formats.stream import ByteStream, ReadInto

_CHUNK = 1 << 18


class _Inflater(Protocol):
    """What gzip, lzma and lz4 decompressors share: one member, its end, and the bytes behind it."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes | None: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Gzip:
    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


class _Zstd:
    """zstandard's object decompresses without a limit, so it is fed in small pieces."""

    def __init__(self) -> None:
        import zstandard

        self._inner = zstandard.ZstdDecompressor().decompressobj()
        self._waiting = b""

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._inner.unused_data) + self._waiting

    def decompress(self, data: bytes, max_length: int) -> bytes:
        data = self._waiting + data
        piece, self._waiting = data[:4096], data[4096:]
        return bytes(self._inner.decompress(piece)) if piece else b""


def _xz() -> _Inflater:
    return lzma.LZMADecompressor(memlimit=256 << 20)


def _lz4() -> _Inflater:
    import lz4.frame

    inner: _Inflater = lz4.frame.LZ4FrameDecompressor()
    return inner


_KINDS: tuple[tuple[bytes, str, Callable[[], Any]], ...] = (
    (b"\x1f\x8b", "gzip", _Gzip),
    (b"\x28\xb5\x2f\xfd", "zstd", _Zstd),
    (b"\xfd7zXZ\0", "xz", _xz),
    (b"\x04\x22\x4d\x18", "lz4", _lz4),
)


def decompressed(head: bytes, read_into: ReadInto) -> tuple[str, ByteStream] | None:
    """The name of the compression that `head` shows, and the stream inside; None when `head` shows none.

    A damaged or cut compressed stream ends early: what came before is delivered, then the stream ends, and the capture
    reader finds its last record cut.
    """
    for magic, name, make in _KINDS:
        if head.startswith(magic):
            return name, ByteStream(_Decompressor(read_into, make).read_into)
    return None


class _Decompressor:
    def __init__(self, read_into: ReadInto, make: Callable[[], _Inflater]) -> None:
        self._read_into = read_into
        self._make = make
        self._inner = make()
        self._started = False
        self._chunk = bytearray(_CHUNK)
        self._ready = memoryview(b"")
        self._done = False

    def read_into(self, target: Any) -> int:
        while not self._ready and not self._done:
            self._advance()
        count = min(len(target), len(self._ready))
        target[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _advance(self) -> None:
        """Decompress one more piece; several members one after another are one stream, as gzip(1) has it."""
        try:
            piece = self._inner.decompress(b"", _CHUNK) if self._started and not self._inner.eof else b""
            if piece:
                self._ready = memoryview(piece)
                return
            if self._inner.eof:
                data = bytes(self._inner.unused_data or b"")
                self._inner, self._started = self._make(), False
            else:
                data = b""
            if not data:
                count = self._read_into(self._chunk)
                if not count:
                    self._done = True
                    return
                data = bytes(self._chunk[:count])
            self._started = True
            self._ready = memoryview(self._inner.decompress(data, _CHUNK))
        except (zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError):
            self._done = True
        except Exception as error:  # zstandard raises its own class, known only once the module is imported
            if type(error).__name__ != "ZstdError":
                raise
            self._done = True
