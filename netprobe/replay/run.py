"""Read every input once, join its packets to attempts, and hand out services, verdicts and attempts on demand."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from analyzers.attempts.attempt import FILE_SHIFT, Attempt, materialise
from analyzers.attempts.columns import Array
from analyzers.attempts.context import Context, read
from analyzers.attempts.ledger import Ledger, close
from analyzers.attempts.route import Route, route
from analyzers.attempts.services import Service, services
from analyzers.attempts.surroundings import Surroundings
from analyzers.attempts.symptoms import Watch
from analyzers.attempts.track import Tracker
from analyzers.diagnose import diagnose, diagnose_unsent, subject_of
from analyzers.model import Verdict
from captures.decoded import Sign
from captures.formats import Window
from captures.packet import Address
from captures.scan import scan
from netprobe.errors import UnreadableInput
from netprobe.replay.inputs import Input, Recaller, display_name, open_input, start_times
from netprobe.replay.interrupt import Interrupt

_MOST_CLIENTS = 1024  # attempts of one service that are asked for their client
_WAITED_NS = 1_000_000_000  # a kernel that has a SYN-ACK tells connect() at once
_GAP_NS = 2_000_000_000  # files of a ring buffer follow each other sooner than this
_LARGEST_TEMPORARY = 16 << 20  # bytes

Progress = Callable[[int, int | None], None]
"""`progress(bytes_read, bytes_of_file)`, called once a window."""


@dataclass(slots=True)
class Source:
    """What is said of one input file. `dropped` is what the capturer reported, None when it did not."""

    name: str
    format: str = ""
    frames: int = 0
    first_ns: int | None = None
    last_ns: int | None = None
    trace: int = 0
    dropped: int | None = None
    notes: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    names: dict[str, str] = field(default_factory=dict)
    error: str = ""
    contexts: list[Context] = field(default_factory=list)
    signs: list[Sign] = field(default_factory=list)


@dataclass
class Replay:
    """A finished (or interrupted) reading. A context manager: leaving it closes what frames are recalled from."""

    ledger: Ledger
    sources: list[Source]
    recall: Recaller
    interrupted: bool = False
    _unsent: dict[int, tuple[Context, tuple[int, ...], bool]] = field(default_factory=dict)

    def __enter__(self) -> "Replay":
        return self

    def __exit__(self, *_: object) -> None:
        self.recall.close()

    @cached_property
    def surroundings(self) -> Surroundings:
        """What the capture shows around each service."""
        signs = ((source.trace, sign) for source in self.sources for sign in source.signs)
        return Surroundings(self.ledger, self.recall, signs)

    @cached_property
    def watches(self) -> list[Watch]:
        """Per trace, how long it was watched."""
        traces: dict[int, list[Source]] = defaultdict(list)
        for source in self.sources:
            if source.first_ns is not None:
                traces[source.trace].append(source)
        out = [Watch()] * (max(traces, default=-1) + 1)
        for trace, members in traces.items():
            drops = [s.dropped for s in members if s.dropped is not None]
            first = min(s.first_ns for s in members if s.first_ns is not None)
            last = max(s.last_ns for s in members if s.last_ns is not None)
            out[trace] = Watch(first, last, sum(drops) if drops else None)
        return out

    def services(self, chosen: Array) -> list[Service]:
        """The services of the chosen attempts, and the targets of live diagnoses to which nothing was sent."""
        found = services(self.ledger, chosen)
        for context in (context for source in self.sources for context in source.contexts):
            if any(s.address == context.target and s.port == context.port for s in found):
                continue
            looped = [
                i for i in np.flatnonzero(self._ends_at(context.target)).tolist() if not self.ledger.ending(i).syn_rows
            ]
            # What came back over the loopback interface in the target's name is no service of its own.
            found = [s for s in found if not set(looped) & set(s.members.tolist())]
            unsent = Service(context.target, context.port, self.ledger.order[:0], context.until_ns, context.until_ns)
            found.append(unsent)
            errors = any(self.ledger.of("icmp", i).any() for i in looped)
            self._unsent[id(unsent)] = (context, tuple(self.ledger.cell("number", i, 0) for i in looped), errors)
        return found

    def _ends_at(self, address: Address) -> Array:
        """A mask of the attempts with this address at one end."""
        columns, number = self.ledger.columns, int(address)
        high, low = np.uint64(number >> 64), np.uint64(number & 0xFFFFFFFFFFFFFFFF)
        same = (columns["end_hi"] == high) & (columns["end_lo"] == low)
        out: Array = same.any(axis=1) & (columns["family"] == address.version)
        return out

    def attempt(self, index: int) -> Attempt:
        return materialise(self.ledger, index, self.recall)

    def live(self, service: Service) -> bool:
        """Whether this is what a live diagnosis asked."""
        contexts = (context for source in self.sources for context in source.contexts)
        return any((context.target, context.port) == (service.address, service.port) for context in contexts)

    def client(self, service: Service) -> str:
        """The address of the service's only client, "" where there are several."""
        found = {
            str(self.ledger.address(i, self.ledger.ending(i).client_side))
            for i in service.members[:_MOST_CLIENTS].tolist()
        }
        return found.pop() if len(found) == 1 and len(service.members) <= _MOST_CLIENTS else ""

    def route(self, service: Service) -> Route | None:
        """The way to the service, hop by hop; None where no sweep of its port was captured."""
        if id(service) in self._unsent:
            return None
        return route(subject_of(service, self.ledger, self.recall, self.watches, self.surroundings))

    def verdict(self, service: Service) -> Verdict:
        if id(service) in self._unsent:
            return diagnose_unsent(*self._unsent[id(service)])
        return diagnose(service, self.ledger, self.recall, self.watches, self.surroundings, self._waited(service))

    def _waited(self, service: Service) -> dict[int, int]:
        """How long a live diagnosis waited for each connection to the service whose connect() never returned, by source port."""
        contexts = (context for source in self.sources for context in source.contexts)
        return {
            call.local_port: call.after_ns for context in contexts if context.target == service.address
            for call in context.calls if call.port == service.port and call.errno in (None, "ETIMEDOUT")
            and call.after_ns >= _WAITED_NS
        }  # fmt: skip


def replay(paths: list[str], progress: Progress | None = None) -> Replay:
    """Read all inputs. An input that cannot be read becomes a `Source` with `error`; Ctrl-C keeps what was read."""
    _reuse_freed_memory()
    tracker, recaller, sources = Tracker(), Recaller(), []
    interrupt = Interrupt()
    last: Source | None = None
    traces = 0
    with interrupt.armed():
        starts = start_times(paths) if len(paths) > 1 else {}
        for path in in_series(paths, starts):
            if interrupt.pressed:
                break
            source = Source(display_name(path))
            sources.append(source)
            try:
                opened = open_input(path, interrupt)
            except UnreadableInput as error:
                source.error = str(error)
                last = None  # what lay in it was not seen: what follows is no continuation
                continue
            follows = (
                last is not None and _series(last.name) == _series(source.name) and _continues(last, starts.get(path))
            )
            traces += not follows
            source.trace = traces - 1
            tracker.begin(new_trace=not follows, shelf=opened.shelf)
            last = source
            _read(opened, recaller.add(path, opened.shelf), source, tracker, progress)
            _close_source(opened, source, interrupt.pressed)
            if source.notes:
                last = None
        ledger = close(tracker)
    return Replay(ledger, sources, recaller, interrupt.pressed)


def _reuse_freed_memory() -> None:
    """Let temporary arrays be made of memory that is still warm, instead of fresh pages from the kernel every time.

    glibc hands large blocks straight back to the kernel, but what it takes for large follows what was freed before.
    """
    np.empty(_LARGEST_TEMPORARY, np.uint8)


def in_series(paths: list[str], starts: dict[str, int]) -> list[str]:
    """The files of one ring buffer one behind the other in time, the series in the order in which they begin."""
    begins: dict[str, int] = {}
    for path in paths:
        series = _series(path)
        begins[series] = min(begins.get(series, 1 << 63), starts.get(path, 1 << 63))
    return sorted(paths, key=lambda path: (begins[_series(path)], _series(path), starts.get(path, 1 << 63)))


def _series(path: str) -> str:
    """What the names of one ring buffer's files share: all but their digits."""
    return re.sub(r"\d+", "", path)


def _continues(last: Source, start: int | None) -> bool:
    """Whether a file that starts then goes on where the last one of its series ended."""
    return last.last_ns is not None and start is not None and 0 < start - last.last_ns <= _GAP_NS


def _read(opened: Input, file: int, source: Source, tracker: Tracker, progress: Progress | None) -> None:
    offset = file << FILE_SHIFT
    for window in _windows(opened, source):
        if not len(window):
            continue
        first, final = int(window.ts_ns.min()), int(window.ts_ns.max())
        source.first_ns = first if source.first_ns is None else min(first, source.first_ns)
        source.last_ns = final if source.last_ns is None else max(final, source.last_ns)
        before = len(source.signs)
        table = scan(window, source.counts, source.signs)
        source.signs[before:] = [replace(sign, number=sign.number + offset) for sign in source.signs[before:]]
        table.number = table.number + offset
        tracker.add(table, window.buffer)
        if progress is not None:
            progress(opened.handle.tell() if opened.size else opened.reader.stream.position, opened.size)


def _windows(opened: Input, source: Source) -> Iterator[Window]:
    """The input's windows, none with very many frames; a read error ends it like a cut."""
    try:
        for window in opened.reader:
            yield from window.pieces()
    except OSError as error:
        source.notes.append(f"reading failed after frame {opened.reader.frames}: {error.strerror or error}")


def _close_source(opened: Input, source: Source, interrupted: bool) -> None:
    reader = opened.reader
    source.format = " ".join((reader.format, *(f"in {name}" for name in reversed(reader.compression))))
    source.frames, source.names = reader.frames, reader.names
    source.contexts = [context for comment in reader.comments if (context := read(comment)) is not None]
    for context in source.contexts:  # it was listened for longer than packets came
        source.first_ns = context.until_ns if source.first_ns is None else source.first_ns
        source.last_ns = max(source.last_ns or 0, context.until_ns)
    if source.last_ns is not None and reader.listened_ns is not None:
        source.last_ns = max(source.last_ns, reader.listened_ns)
    source.notes = (
        ["interrupted: only what had been read is reported"] if interrupted else [*reader.notes, *source.notes]
    )
    drops = [interface.dropped for interface in reader.interfaces if interface.dropped is not None]
    source.dropped = sum(drops) if drops else None
    if opened.name != "-":
        opened.handle.close()
