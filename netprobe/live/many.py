"""Many targets as the user writes them: addresses, CIDR blocks, ranges, names, files of those; and port lists."""

import socket
from collections.abc import Iterable, Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path

from netprobe.errors import BadTarget
from netprobe.live.target import resolve

_MOST = 65_536


def addresses(words: Iterable[str]) -> list[str]:
    """Every address that the words name, once, in their order. `@FILE` and `-` name files with more words.

    Raises `BadTarget` for what is no target, and for more than 65,536 addresses.
    """
    out: dict[str, None] = {}
    for word in words:
        for address in _expanded(word):
            out[address] = None
            if len(out) > _MOST:
                raise BadTarget(f"more than {_MOST:,} addresses; ask in parts")
    return list(out)


def _expanded(word: str) -> Iterator[str]:
    if word == "-" or word.startswith("@"):
        try:
            text = Path("/dev/stdin" if word == "-" else word[1:]).read_text()
        except OSError as error:
            raise BadTarget(f"{word}: {error.strerror or error}") from None
        for line in text.splitlines():
            for inner in line.split("#")[0].split():
                if inner == "-" or inner.startswith("@"):
                    raise BadTarget(f"{word}: {inner!r}: a list of targets names no other list")
                yield from _expanded(inner)
        return
    first, dash, last = word.partition("-")
    try:
        if "/" in word:
            network = ip_network(word, strict=False)
            if network.num_addresses > _MOST:
                raise BadTarget(f"{word} has more than {_MOST:,} addresses")
            yield from map(str, network.hosts())
        elif dash and last.isdigit() and first.count(".") == 3:
            low = ip_address(first)
            prefix = first.rpartition(".")[0]
            for number in range(int(str(low).rpartition(".")[2]), int(last) + 1):
                yield str(ip_address(f"{prefix}.{number}"))
        else:
            yield str(ip_address(word.strip("[]")))
    except ValueError:
        if "/" in word or (dash and last.isdigit() and first.count(".") == 3):
            raise BadTarget(f"{word} is no network or range of addresses") from None
        yield from resolve(word, numeric=True).addresses


def ports(text: str) -> list[int]:
    """`22,80-90,ssh` -> the port numbers, once each. Raises `BadTarget`."""
    out: dict[int, None] = {}
    for part in text.split(","):
        low, dash, high = part.strip().partition("-")
        try:
            first = int(low) if low.isdigit() else socket.getservbyname(low, "tcp")
            last = int(high) if dash else first
        except (ValueError, OSError):
            raise BadTarget(f"{part!r} is no port, range of ports or service name") from None
        if not 0 < first <= last < 65_536:
            raise BadTarget(f"{part!r}: ports go from 1 to 65535")
        out.update(dict.fromkeys(range(first, last + 1)))
    return list(out)
