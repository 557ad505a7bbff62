"""Capture containers: pcap and pcapng, plain or compressed, walked in bounded windows.

`open_capture(read)` looks at the first bytes and returns a `Reader`; iterating it yields one `Window` after another.
"""

from collections.abc import Iterator

from captures.errors import NotACapture
from captures.formats import pcap, pcapng
from captures.formats.compression import decompressed
from captures.formats.stream import ByteStream, ReadInto
from captures.formats.window import Interface, Reader, Window

__all__ = ["Interface", "NotACapture", "ReadInto", "Reader", "Window", "open_capture"]

# Older or foreign containers that a user may well try; naming them helps more than "unknown format".
_PACKED = {
    b"PK\x03\x04": "a zip archive: unzip -p FILE | netprobe replay -",
    b"BZh": "bzip2: bunzip2 -c FILE | netprobe replay -",
}
_FOREIGN = {
    b"snoop\0\0\0": "a snoop capture",
    b"XCP\0": "a Network Associates Sniffer capture",
    b"GMBU": "a Microsoft Network Monitor capture",
    b"RTSS": "a Microsoft Network Monitor 1 capture",
}


def open_capture(read_into: ReadInto) -> Reader:
    """The reader for the capture that `read_into` delivers.

    `read_into(buffer) -> int` fills a writable buffer and returns how many bytes it wrote, 0 at the end (the contract
    of `io.RawIOBase.readinto`). Compressed input (gzip, zstd, xz, lz4) is recognised by its first bytes, also nested.
    Raises `NotACapture` with a one-line reason.
    """
    stream = ByteStream(read_into)
    compression: list[str] = []
    streams = [stream]
    while True:
        head = stream.peek(8)
        inner = decompressed(head, stream.read_into)
        if inner is None:
            break
        name, stream = inner
        compression.append(name)
        streams.append(stream)
        if len(compression) > 3:
            raise NotACapture("compressed more than three times over")
    if not head:
        why = stream.problem or f"the {compression[-1]} stream holds no data" if compression else "the file is empty"
        raise NotACapture(why)
    reader = pcap.reader(head, stream) or pcapng.reader(head, stream)
    if reader is not None:
        reader.compression = tuple(compression)
        reader.windows = _told(reader, reader.windows, streams)
        return reader
    for magic, name in _PACKED.items():
        if head.startswith(magic):
            raise NotACapture(f"this is {name}")
    for magic, name in _FOREIGN.items():
        if head.startswith(magic):
            raise NotACapture(f"this is {name}, not pcap or pcapng; convert it with: editcap -F pcapng IN OUT")
    raise NotACapture("not a pcap or pcapng capture")


def _told(reader: Reader, windows: Iterator[Window], streams: list[ByteStream]) -> Iterator[Window]:
    """The reader's windows, and at the end a note for every compression layer that ended early."""
    yield from windows
    for stream in streams:
        if stream.problem:
            reader.cut = True
            reader.notes.append(stream.problem)
