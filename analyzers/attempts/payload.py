"""Marks: one number per payload that says what it looks like, so that attempts whose contents differ only in random
bytes (cookies, ciphertext, request paths) still look alike, and those with another banner or other algorithms do not."""

import numpy as np

from analyzers.attempts.columns import Array, mix
from captures import native
from captures.native import address
from captures.table import PacketTable

NOTHING, OPAQUE, TLS, TEXT, BANNER, SSH_MESSAGE = range(6)
_LINE_BYTES = 64
_KEXINIT_BYTES = 1536
_KEXINIT_LISTS_AT = 22  # behind packet length, padding length, message number and the 16-byte cookie (RFC 4253 7.1)
_CLEAR_MESSAGES = np.zeros(256, np.bool_)
_CLEAR_MESSAGES[[1, 2, 3, 4, 20, 21, 30, 31, 32, 33, 34]] = True
_PRINTABLE = np.zeros(256, np.bool_)
_PRINTABLE[[9, 10, 13, *range(32, 127)]] = True
_SSH = int.from_bytes(b"SSH-", "little")


def payload_marks(table: PacketTable, buffer: Array) -> Array:
    """A mark per row: 0 without captured payload, else what its first bytes look like."""
    library = native.library()
    if library is not None:
        return _compiled(library, table, buffer)
    marks = np.zeros(len(table), np.uint64)
    rows = np.flatnonzero(table.payload_caplen > 0)
    if not len(rows):
        return marks
    start, caplen = table.payload_start[rows], table.payload_caplen[rows]
    head = _words(buffer, start)
    short = np.flatnonzero(caplen < 8)
    if len(short):
        head[short] &= (np.uint64(1) << (caplen[short].astype(np.uint64) * np.uint64(8))) - np.uint64(1)
    byte = np.ascontiguousarray(head).view(np.uint8).reshape(-1, 8)
    kind = np.full(len(rows), OPAQUE, np.uint64)
    tls = (byte[:, 0] >= 0x14) & (byte[:, 0] <= 0x17) & (byte[:, 1] == 3)
    kind[tls] = TLS + (byte[tls, 0].astype(np.uint64) << np.uint64(8))
    # A binary packet of SSH starts with a length below 35000, so with two zero bytes.
    packets = np.flatnonzero((byte[:, 0] == 0) & (byte[:, 1] == 0))
    if len(packets):
        length = byte[packets, 2].astype(np.int64) << 8 | byte[packets, 3]
        clear = (length >= 2) & (length <= 35_000) & (byte[packets, 4] < length) & _CLEAR_MESSAGES[byte[packets, 5]]
        packets = packets[clear]
        kind[packets] = SSH_MESSAGE + (byte[packets, 5].astype(np.uint64) << np.uint64(8))
        offers = packets[byte[packets, 5] == 20]
        if len(offers):
            kind[offers] += _digest(
                buffer, start[offers] + _KEXINIT_LISTS_AT, caplen[offers] - _KEXINIT_LISTS_AT, _KEXINIT_BYTES
            )
    text = _PRINTABLE[byte[:, 0]] & _PRINTABLE[byte[:, 1]] & _PRINTABLE[byte[:, 2]] & _PRINTABLE[byte[:, 3]]
    texts = np.flatnonzero(text)
    if len(texts):
        plain = head[texts] & np.uint64(0xFFFFFFFF) != _SSH
        kind[texts] = _digest(buffer, start[texts], caplen[texts], _LINE_BYTES, until_newline=True)
        kind[texts[plain]] += np.uint64(TEXT)
    marks[rows] = kind
    return marks


_BYTES = _PRINTABLE | _CLEAR_MESSAGES.astype(np.uint8) * 2  # as join.c asks for them


def _compiled(library: native.Library, table: PacketTable, buffer: Array) -> Array:
    marks = np.empty(len(table), np.uint64)
    start, caplen = np.ascontiguousarray(table.payload_start), np.ascontiguousarray(table.payload_caplen)
    done = library.marks(
        address(buffer), len(buffer), len(table), address(start), address(caplen), address(_BYTES), _LINE_BYTES,
        _KEXINIT_BYTES, _KEXINIT_LISTS_AT, address(marks),
    )  # fmt: skip
    assert done == len(table)
    return marks


def _words(buffer: Array, start: Array) -> Array:
    """The eight bytes at each offset, as little-endian numbers."""
    words = np.ndarray((len(buffer) - 8,), "<u8", buffer.data, strides=(1,))
    out: Array = words[np.minimum(start, len(buffer) - 9)].astype(np.uint64, copy=False)
    return out


def _digest(buffer: Array, start: Array, caplen: Array, width: int, until_newline: bool = False) -> Array:
    """One 64-bit number for the first `width` bytes at each offset; what lies behind `caplen` counts as zero."""
    raw = np.ndarray((len(buffer) - width,), f"V{width}", buffer.data, strides=(1,))
    head = raw[np.minimum(start, len(buffer) - width - 1)].view(np.uint8).reshape(-1, width)
    if until_newline:
        newline = head == 10
        caplen = np.where(newline.any(axis=1), np.minimum(caplen, newline.argmax(axis=1)), caplen)
    head *= np.arange(width) < caplen[:, None]
    words = head.view("<u8").astype(np.uint64, copy=False)
    odd = np.arange(1, 2 * words.shape[1], 2, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    out: Array = mix(words * odd + odd).sum(axis=1, dtype=np.uint64)
    return out
