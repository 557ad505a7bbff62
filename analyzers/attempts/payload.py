"""Marks: one number per payload that says what it looks like, so that attempts whose contents differ only in random
bytes (cookies, ciphertext, request paths) still look alike, and those with another banner or other algorithms do not."""

import numpy as np

from analyzers.attempts.columns import Array, mix
from captures.table import PacketTable

NOTHING, OPAQUE, TLS, TEXT, BANNER, SSH_MESSAGE = range(6)
_HEAD = 64
_KEXINIT_HEAD = 512
_KEXINIT_LISTS_AT = 22  # behind packet length, padding length, message number and the 16-byte cookie (RFC 4253 7.1)
_CLEAR_MESSAGES = np.zeros(256, np.bool_)
_CLEAR_MESSAGES[[1, 2, 3, 4, 20, 21, 30, 31, 32, 33, 34]] = True
_PRINTABLE = np.zeros(256, np.bool_)
_PRINTABLE[[9, 10, 13, *range(32, 127)]] = True


def payload_marks(table: PacketTable, rows: Array, buffer: Array) -> Array:
    """A mark per chosen row: 0 without captured payload; the low byte is one of the kinds above."""
    marks = np.zeros(len(rows), np.uint64)
    full = np.flatnonzero(table.payload_caplen[rows] > 0)
    if not len(full):
        return marks
    chosen = rows[full]
    caplen = table.payload_caplen[chosen]
    head = _bytes(buffer, table.payload_start[chosen], caplen, _HEAD)
    kind = np.full(len(chosen), OPAQUE, np.uint64)
    detail = np.zeros(len(chosen), np.uint64)

    text = _PRINTABLE[head[:, :4]].all(axis=1)
    banner = text & (head[:, :4] == np.frombuffer(b"SSH-", np.uint8)).all(axis=1)
    words = np.ascontiguousarray(head).view("<u8")
    kind[text], detail[text] = TEXT, words[text, 0]
    if banner.any():
        line = head[banner]
        newline = np.cumsum(line == 10, axis=1) > 0
        kind[banner], detail[banner] = BANNER, _digest(np.where(newline, 0, line).astype(np.uint8))

    length = head[:, :4].astype(np.int64) @ np.array([1 << 24, 1 << 16, 1 << 8, 1])
    message = ~text & (length >= 2) & (length <= 35_000) & (head[:, 4] < length) & _CLEAR_MESSAGES[head[:, 5]]
    kind[message], detail[message] = SSH_MESSAGE, head[message, 5]
    kexinit = np.flatnonzero(message & (head[:, 5] == 20))
    if len(kexinit):
        lists = _bytes(
            buffer,
            table.payload_start[chosen[kexinit]] + _KEXINIT_LISTS_AT,
            caplen[kexinit] - _KEXINIT_LISTS_AT,
            _KEXINIT_HEAD,
        )
        detail[kexinit] = _digest(lists)
    tls = ~text & ~message & (head[:, 0] >= 0x14) & (head[:, 0] <= 0x17) & (head[:, 1] == 3)
    kind[tls], detail[tls] = TLS, head[tls, 0]
    marks[full] = (mix(detail + kind) << np.uint64(8)) | kind
    return marks


def _bytes(buffer: Array, start: Array, caplen: Array, width: int) -> Array:
    """The first `width` bytes of every payload, zero where it is shorter."""
    raw = np.ndarray((len(buffer) - width,), f"V{width}", buffer.data, strides=(1,))
    head = raw[np.minimum(start, len(buffer) - width - 1)].view(np.uint8).reshape(-1, width)
    head[np.arange(width) >= caplen[:, None]] = 0
    return head


def _digest(rows: Array) -> Array:
    """One 64-bit number per row of bytes; the width is a multiple of 8."""
    words = np.ascontiguousarray(rows).view("<u8")
    out = np.zeros(len(words), np.uint64)
    for column in range(words.shape[1]):
        out = mix(out + words[:, column] + np.uint64(column))
    return out
