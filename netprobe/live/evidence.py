"""Evidence: the recorded frames and the context as one pcapng file, kept where it was asked for or with the newest few."""

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from errno import EACCES
from os import PathLike
from typing import TYPE_CHECKING

from captures import write
from netprobe import __version__
from netprobe.live.recorder import Frame

if TYPE_CHECKING:
    from pathlib import Path

    from analyzers.attempts.context import Context

_RAW = 101  # LINKTYPE_RAW: the packet begins with its IP header
_KEPT = 20


def pcapng(
    frames: Iterable[Frame], context: "Context", dropped: int = 0, names: Mapping[str, str] | None = None
) -> bytes:
    """The whole file. Frames stand in order of time, so that their numbers are known: from 1. `names` are those of addresses."""
    ordered = sorted(frames, key=lambda frame: frame.ts_ns)
    devices = list(dict.fromkeys(frame.device for frame in ordered)) or [context.device or "none"]
    out = [write.section(context.comment(), f"netprobe {__version__}")]
    out += [write.interface(_RAW, device) for device in devices]
    out += [write.names(names)] if names else []
    out += [write.packet(devices.index(f.device), f.ts_ns, f.data, f.direction) for f in ordered]
    for number, device in enumerate(devices):
        seen = sum(frame.device == device for frame in ordered)
        out.append(write.statistics(number, context.until_ns, seen, 0 if number else dropped))
    return b"".join(out)


def directory() -> str:
    """Where evidence is kept when nobody says where: XDG_STATE_HOME, else ~/.local/state."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "netprobe", "evidence")


def check(path: str | None) -> None:
    """Raises OSError when the evidence could not be written, before anything is asked that would be lost."""
    if path is not None:
        with open(path, "ab"):
            pass
    else:
        _folder()


def _folder() -> str:
    """Where evidence is kept, made if need be; a folder for temporary files where this user's own cannot be written."""
    folder = directory()
    try:
        os.makedirs(folder, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    from tempfile import gettempdir

    other = os.path.join(gettempdir(), f"netprobe-{os.geteuid()}")
    with suppress(FileExistsError):
        os.mkdir(other, 0o700)
    if not os.path.isdir(other) or os.stat(other).st_uid != os.geteuid():
        raise OSError(EACCES, f"{other} is somebody else's")
    return other


def keep(data: bytes, context: "Context", path: str | PathLike[str] | None = None) -> "Path":
    """Write the file, to `path` or to a new name in the state directory, where only the newest few are kept."""
    from pathlib import Path

    if path is not None:
        Path(path).write_bytes(data)
        return Path(path)
    folder = Path(_folder())
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(context.until_ns // 1_000_000_000))
    name = f"{stamp}-{context.address.replace(':', '_').replace('%', '_')}-{context.port}-{os.getpid()}.pcapng"
    path = folder / name
    path.write_bytes(data)
    for old in sorted(folder.glob("*.pcapng"))[:-_KEPT]:
        old.unlink(missing_ok=True)
    return path
