"""The loops of `native.c` and of analyzers/attempts/join.c, where a compiler was there to build them; else numpy does their work.

Whoever has a loop both ways asks `library()` once per run of it. Both ways give the same results bit for bit:
tests/captures/test_native.py, tests/analyzers/test_join.py.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

_VERSION = 2  # of the functions and structs in both; another one's library is not used
_FUNCTIONS = {
    "netprobe_pcap": "pnnnnnnnppp",
    "netprobe_pcapng": "pnnnnnnpp",
    "netprobe_scan": "pnnpppppp",
    "netprobe_marks": "pnnpppnnnp",
    "netprobe_find": "pnpppppp",
    "netprobe_claim": "nppnpp",
    "netprobe_collide": "nppppn",
    "netprobe_group": "npnpnppp",
    "netprobe_follow": "pnpnppppnpppp",
}  # fmt: skip
_allowed = True


class Library:
    """The functions of the library; arrays are passed as `address(array)`."""

    def __init__(self, functions: dict[str, Callable[..., int]]) -> None:
        self.pcap = functions["netprobe_pcap"]
        self.pcapng = functions["netprobe_pcapng"]
        self.scan = functions["netprobe_scan"]
        self.marks = functions["netprobe_marks"]
        self.find = functions["netprobe_find"]
        self.claim = functions["netprobe_claim"]
        self.collide = functions["netprobe_collide"]
        self.group = functions["netprobe_group"]
        self.follow = functions["netprobe_follow"]


def _load() -> Library | None:
    try:
        import ctypes

        loaded = ctypes.CDLL(__file__.rpartition("/")[0] + "/_native.so")
        version = loaded.netprobe_captures_version
        version.restype = ctypes.c_int64
        if version() != _VERSION:
            return None
        functions = {}
        for name, signature in _FUNCTIONS.items():
            function = getattr(loaded, name)
            function.argtypes = [ctypes.c_void_p if letter == "p" else ctypes.c_int64 for letter in signature]
            function.restype = ctypes.c_int64
            functions[name] = function
    except (ImportError, OSError, AttributeError):  # not built, not for this machine, or of another version
        return None
    return Library(functions)


_library = _load()


def library() -> Library | None:
    """The compiled loops; None where they were not built or are not wanted."""
    return _library if _allowed else None


def allow(wanted: bool) -> None:
    """Whether the compiled loops may be used."""
    global _allowed
    _allowed = wanted


def address(array: np.ndarray[Any, Any]) -> int:
    """Where the array's memory begins, for a function of the library; the array must outlive the call."""
    where: int = array.__array_interface__["data"][0]
    return where


def struct(values: Iterable[np.ndarray[Any, Any] | int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """A C struct of pointers (to these arrays) and 64-bit numbers."""
    return np.array([value if isinstance(value, int) else address(value) for value in values], np.int64)
