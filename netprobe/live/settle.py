"""Attempts of a capture that goes on: which of them are over, and the verdict on each as it stands then.

The frames go through the same scan, join and diagnosis as those of a file. An attempt is judged when nothing more is to be
expected of it: shortly after a RST, an ICMP error or a close; after its listening time when nobody answers; when it stays
open, after it has been quiet for a while. It is told once; once more only if later packets make something else of it.

Memory is bounded, however long this goes on. What is kept are attempts, each with the rows that can decide it and their
frames (frames beyond 16 MiB in a temporary file). The newest few thousand stay as surroundings for verdicts to come; beyond
these, an attempt that was judged is let go two and a half minutes after its last packet (a SYN may be repeated after 64 s),
one that is open after two hours without any. There are never more than MOST_ATTEMPTS attempts and MOST_ROWS rows, nor one
with more than MOST_OF_ONE rows (an attempt keeps some dozens, but every RST, and a flood is made of those): what is over
that is let go, longest quiet first, judged or not, and `unjudged` counts those that were not.
"""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from analyzers.attempts.attempt import Attempt, materialise
from analyzers.attempts.columns import Array
from analyzers.attempts.hops import MOST_HOPS
from analyzers.attempts.ledger import Ledger, close
from analyzers.attempts.services import Service, client_sides, services
from analyzers.attempts.surroundings import Surroundings
from analyzers.attempts.symptoms import SYMPTOMS, Watch, symptom_of
from analyzers.attempts.track import Tracker
from analyzers.diagnose import diagnose
from analyzers.model import Verdict
from captures.formats import Window
from captures.scan import scan
from netprobe.live.nic import Taken
from netprobe.replay.inputs import Shelf

MOST_ATTEMPTS, MOST_ROWS, MOST_OF_ONE = 50_000, 500_000, 1024
_S = 1_000_000_000
_AFTERMATH_NS = 3 * _S // 10  # a real answer behind a forged one, a reset that answers a close
_ANSWER_NS = 9 * _S // 2  # from the first SYN on; a router reports a dead host after 3.2 s
_REPEAT_NS = 9 * _S // 10  # and this long from the last one
_ANSWER_MOST_NS = 15 * _S
_QUIET_NS = 15 * _S  # of a connection that is open
_STAYS_NS, _OPEN_STAYS_NS, _STAY = 150 * _S, 7200 * _S, 4096
_RECENT_NS = 600 * _S  # attempts to one service that are judged together
_LIMITER_NS = 2 * _S
_MOST_AT_ONCE = 200  # attempts judged before packets are taken again

_WAITING = frozenset({"silent", "icmp-other", "half-open"})
_OPEN = frozenset({"established", "half-closed-by-client", "one-sided-client", "midstream"})
_WELL = ("healthy", "unseen")


@dataclass(frozen=True, slots=True)
class Settled:
    """An attempt that is over, in the words of `symptom_of`, and the verdict on its service as it stands; `before` is the
    symptom that was told of it earlier, "" when none was."""

    attempt: Attempt
    symptom: str
    service: Service
    verdict: Verdict
    before: str = ""

    @property
    def failed(self) -> bool:
        return self.symptom not in _WELL


class Settling:
    """Feed it frames with `add`, and ask `settle` for what is over. `attempts`, `failures` and `unjudged` count."""

    def __init__(self, link: int) -> None:
        self._link = link
        self._tracker, self._shelf = Tracker(), Shelf()
        self._tracker.begin(new_trace=True, shelf=self._shelf)
        self._told = np.zeros(0, np.int8)  # per attempt: what was told, as a place in SYMPTOMS from 1 on
        self._seen = np.zeros(0, np.int64)  # and its last packet when it was judged
        self._first_ns = 0
        self._drops: deque[tuple[int, int]] = deque(((0, 0),), maxlen=10_000)
        self.counts: Counter[str] = Counter()
        self.attempts = self.failures = self.unjudged = 0
        self.next_ns: int | None = None
        """When an attempt will be due, if no packet comes until then; None while none waits."""

    def close(self) -> None:
        """Let go of everything; nothing can be asked any more."""
        self._shelf.close()

    def add(self, taken: Sequence[Taken], ids: Sequence[int]) -> None:
        """More frames, in the order in which they were captured, with their frame ids."""
        if not taken:
            return
        self._first_ns = self._first_ns or taken[0].ts_ns
        for window in _window(taken, ids, self._link).pieces():
            self._tracker.add(scan(window, self.counts), window.buffer)

    def lost(self, until_ns: int, dropped: int) -> None:
        """How many packets the kernel had dropped in all by then: silences that began before are weakened."""
        if dropped != self._drops[-1][1]:
            self._drops.append((until_ns, dropped))

    def settle(self, until_ns: int, over: bool = False) -> Iterator[Settled]:
        """What is over, given that everything up to `until_ns` was seen; with `over` all that is left, as it stands.

        The frames of one can be looked at until the next one is asked for.
        """
        ledger = close(self._tracker)
        self._grow(len(ledger))
        ripe, due = self._due(ledger, until_ns, over)
        around = Surroundings(ledger, self._shelf_recall)
        asked = ledger.columns["ends"][np.arange(len(ledger)), 1 - client_sides(ledger)]
        verdicts: dict[tuple[int, str, str], tuple[Service, Verdict]] = {}
        for index in due.tolist():
            self._seen[index] = ledger.columns["last_ts"][index]
            if found := self._judged(ledger, index, until_ns, around, asked, verdicts):
                yield found
        left = ripe[(self._seen != ledger.columns["last_ts"])]
        self.next_ns = int(left.min()) if len(left) else None
        self._let_go(ledger, until_ns)

    def _due(self, ledger: Ledger, until_ns: int, over: bool) -> tuple[Array, Array]:
        """When each attempt may be judged, and the indices of those that now are."""
        outcome = [ending.outcome for ending in ledger.endings]
        waiting = np.array([word in _WAITING for word in outcome], np.bool_)[ledger.story]
        open_ = np.array([word in _OPEN for word in outcome], np.bool_)[ledger.story]
        first, last = ledger.columns["first_ts"], ledger.columns["last_ts"]
        answer = np.minimum(np.maximum(first + _ANSWER_NS, last + _REPEAT_NS), first + _ANSWER_MOST_NS)
        ripe = np.where(waiting, answer, last + np.where(open_, _QUIET_NS, _AFTERMATH_NS))
        news = np.flatnonzero((self._seen != last) & (over | (ripe <= until_ns)))
        news = news[np.argsort(last[news], kind="stable")]
        return ripe, news if over else news[:_MOST_AT_ONCE]

    def _judged(
        self, ledger: Ledger, index: int, until_ns: int, around: Surroundings, asked: Array,
        verdicts: dict[tuple[int, str, str], tuple[Service, Verdict]],
    ) -> Settled | None:  # fmt: skip
        """The attempt with its verdict; None when there is nothing new to tell of it. `asked` is the service of each attempt
        as a number."""
        attempt = materialise(ledger, index, self._shelf_recall)
        symptom = symptom_of(attempt, self._watch(attempt.first_ns, until_ns))
        late = ledger.columns["last_ts"] >= attempt.first_ns - _RECENT_NS
        peers = np.flatnonzero((asked == asked[index]) & late & ledger.seen())
        if _traced(ledger, attempt, peers):
            symptom = "unseen"
        told = int(self._told[index])
        before = SYMPTOMS[told - 1] if told else ""
        if symptom == before:
            return None
        if symptom == "unseen":
            if not told and attempt.ending.roles == "syn":
                self._tell(index, symptom)
            return None
        self._tell(index, symptom)
        key = (int(asked[index]), symptom, attempt.ending.outcome)
        if key not in verdicts:
            verdicts[key] = self._verdict(ledger, attempt, symptom, peers, until_ns, around)
        return Settled(attempt, symptom, *verdicts[key], before=before if before not in _WELL else "")

    def _tell(self, index: int, symptom: str) -> None:
        told = int(self._told[index])
        self.attempts += not told
        self.failures += (symptom not in _WELL) - (told > 0 and SYMPTOMS[told - 1] not in _WELL)
        self._told[index] = SYMPTOMS.index(symptom) + 1

    def _verdict(
        self, ledger: Ledger, attempt: Attempt, symptom: str, peers: Array, until_ns: int, around: Surroundings
    ) -> tuple[Service, Verdict]:
        """The verdict on the attempts of late to the same service; where that speaks of another symptom, on those that
        ended as this one did, unless it is a silence close to an ICMP error: what limits errors explains such a one."""

        def judge(chosen: Array) -> tuple[Service, Verdict]:
            (service,) = services(ledger, chosen)
            watch = self._watch(service.first_ns, until_ns)
            return service, diagnose(service, ledger, self._shelf_recall, [watch], around)

        service, verdict = judge(peers)
        if verdict.cause.partition(".")[0] == symptom:
            return service, verdict
        outcomes = np.array([ledger.ending(i).outcome for i in peers.tolist()])
        near = np.abs(ledger.columns["first_ts"][peers] - attempt.first_ns) <= _LIMITER_NS
        if symptom == "silence" and (near & np.char.startswith(outcomes, "icmp-")).any():
            return service, verdict
        return judge(peers[outcomes == attempt.ending.outcome])

    def _watch(self, since_ns: int, until_ns: int) -> Watch:
        total = self._drops[-1][1]
        before = next((count for when, count in reversed(self._drops) if when < since_ns), 0)
        return Watch(self._first_ns, until_ns, total - before)

    def _shelf_recall(self, file: int, at: int, length: int) -> bytes:
        return self._shelf.recall(at, length)

    def _grow(self, count: int) -> None:
        more = count - len(self._told)
        self._told = np.concatenate([self._told, np.zeros(more, np.int8)])
        self._seen = np.concatenate([self._seen, np.full(more, -1, np.int64)])

    def _let_go(self, ledger: Ledger, until_ns: int) -> None:
        """Forget attempts as the module's text says, many at a time."""
        last, rows = ledger.columns["last_ts"], np.diff(ledger.first_row)
        judged = self._seen == last
        ended = np.array([ending.outcome not in _OPEN for ending in ledger.endings], np.bool_)[ledger.story]
        stale = judged & (last < until_ns - np.where(ended, _STAYS_NS, _OPEN_STAYS_NS))
        newest = np.argsort(-last, kind="stable")
        stale[newest[:_STAY]] = False
        stale |= rows > MOST_OF_ONE
        if len(ledger) > MOST_ATTEMPTS or len(ledger.rows["at"]) > MOST_ROWS:
            held = np.cumsum(np.where(stale, 0, rows)[newest]) > MOST_ROWS * 3 // 4
            stale[newest[held]] = True
            stale[newest[MOST_ATTEMPTS * 3 // 4 :]] = True
        elif int(stale.sum()) < max(_STAY // 4, len(ledger) // 4) and not (rows > MOST_OF_ONE).any():
            return
        self.unjudged += int((stale & ~judged).sum())
        self._told, self._seen = self._told[~stale], self._seen[~stale]
        del ledger
        self._tracker.forget(~stale)
        self._move()

    def _move(self) -> None:
        """The frames of the rows that are left, on a shelf of their own."""
        at, caplen = self._tracker.rows["at"], self._tracker.rows["caplen"]
        old, new = self._shelf, Shelf()
        for start in range(0, len(at), 4096):
            part = slice(start, start + 4096)
            pieces = [old.recall(a, n) for a, n in zip(at[part].tolist(), caplen[part].tolist(), strict=True)]
            size = caplen[part].astype(np.int64)
            at[part] = new(np.frombuffer(b"".join(pieces) or b"\0", np.uint8), np.cumsum(size) - size, size)
        old.close()
        self._shelf = new
        self._tracker.begin(new_trace=False, shelf=new)


def _traced(ledger: Ledger, attempt: Attempt, peers: Array) -> bool:
    """Whether the SYN only traced the way: it was sent with a small TTL, and of such ones to the same service some ran out."""
    if not attempt.syns or attempt.syns[0].ttl > MOST_HOPS:
        return False
    return any(ledger.ending(peer).outcome == "icmp-ttl-exceeded" for peer in peers.tolist())


def _window(taken: Sequence[Taken], ids: Sequence[int], link: int) -> Window:
    """Frames as the readers of files hand them out."""
    caplen = np.array([len(frame.data) for frame in taken], np.int64)
    start = np.cumsum(caplen) - caplen
    data = b"".join([*(frame.data for frame in taken), bytes(4096)])  # fixed-size header reads may look beyond the end
    count = len(taken)
    return Window(
        buffer=np.frombuffer(data, np.uint8), number=np.array(ids, np.int64),
        ts_ns=np.array([frame.ts_ns for frame in taken], np.int64), start=start, at=start, caplen=caplen,
        origlen=np.array([max(frame.length, len(frame.data)) for frame in taken], np.int64),
        interface=np.zeros(count, np.int64), link=np.full(count, link, np.int64),
    )  # fmt: skip
