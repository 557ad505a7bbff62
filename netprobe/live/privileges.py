"""What a process that needed rights to open its sockets no longer needs, it gives up.

The kernel asks for CAP_NET_RAW when a packet socket or raw socket is opened, not when it is read or written: once all are
open, a program that reads whatever strangers send should hold no rights that a mistake in it could lend them.
"""

import os
import sys
from os import PathLike

DAC_OVERRIDE, DAC_READ_SEARCH = 1, 2
_VERSION = 0x20080522  # of capset's header: two words of 32 capabilities each
_NO_NEW_PRIVILEGES = 38


def drop(place: str | PathLike[str] | None = None) -> frozenset[int]:
    """Give up every Linux capability of this thread, for good; returns those that are left.

    Dropped: the effective, permitted, inheritable and ambient sets, all to nothing. No program started from here on gets
    any back: not by being set-user-id root, not by file capabilities, not by being run as user 0 (no_new_privs).

    Not dropped: the user and group ids. A process of root still owns root's files and may write those, but no longer
    other people's, and it may neither open raw sockets nor change the network. The bounding set and the securebits stay,
    as with no_new_privs nothing can make use of them. Other threads of the process keep what they have (netprobe
    has none by then); sockets and files that are open stay open.

    Two exceptions, for root in somebody's home. If `place` is going to be written, a file or a directory for files, and this
    user's ids alone may not do that, CAP_DAC_OVERRIDE stays, alone. If they may not read where Python looks for modules, as
    modules are imported when they are needed, CAP_DAC_READ_SEARCH stays. Neither adds anything to what user 0 can do to root's files.

    A process without capabilities is left as it is, but for no_new_privs. Elsewhere than on Linux nothing is done.
    Raises OSError if the kernel refuses, which it has no reason to.
    """
    if not sys.platform.startswith("linux"):
        return frozenset()
    import ctypes

    held = _permitted()
    _call("prctl", _NO_NEW_PRIVILEGES, *(ctypes.c_ulong(value) for value in (1, 0, 0, 0)))
    modules = [folder for folder in sys.path if os.path.exists(folder)]
    spare = held & (1 << DAC_OVERRIDE | 1 << DAC_READ_SEARCH)
    _set(effective=0, permitted=spare)
    needed = 0
    if place is not None and not _may_write(place):
        needed |= 1 << DAC_OVERRIDE
    if not all(os.access(folder, os.R_OK | os.X_OK, effective_ids=True) for folder in modules):
        needed |= 1 << DAC_READ_SEARCH
    _set(effective=spare & needed, permitted=spare & needed)
    return frozenset(right for right in (DAC_OVERRIDE, DAC_READ_SEARCH) if spare & needed & 1 << right)


def _may_write(place: str | PathLike[str]) -> bool:
    """Whether the file may be written, or files be made in the directory, with the rights in effect; where it is not there
    yet, whether it can be made."""
    nearest = os.path.abspath(place)
    while not os.path.exists(nearest) and nearest != os.path.dirname(nearest):
        nearest = os.path.dirname(nearest)
    return os.access(nearest, os.W_OK | os.X_OK if os.path.isdir(nearest) else os.W_OK, effective_ids=True)


def _permitted() -> int:
    import ctypes

    header, data = (ctypes.c_uint32 * 2)(_VERSION, 0), (ctypes.c_uint32 * 6)()
    _call("capget", ctypes.byref(header), ctypes.byref(data))
    return int(data[1] | data[4] << 32)


def _set(effective: int, permitted: int) -> None:
    """The two sets; nothing is inheritable, nor ambient, as the kernel keeps ambient only what is both."""
    import ctypes

    words = [value >> shift & 0xFFFFFFFF for shift in (0, 32) for value in (effective, permitted, 0)]
    header, data = (ctypes.c_uint32 * 2)(_VERSION, 0), (ctypes.c_uint32 * 6)(*words)
    _call("capset", ctypes.byref(header), ctypes.byref(data))


def _call(name: str, *arguments: object) -> None:
    import ctypes

    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
