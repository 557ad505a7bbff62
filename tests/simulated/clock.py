"""The virtual clock: what is due when. Nothing passes on it but what is asked for."""

import heapq
from collections.abc import Callable
from itertools import count

BEGIN_NS = 1_700_000_000_000_000_000
_MOST_EVENTS = 200_000


class Clock:
    """Nanoseconds, and events in the order of their time."""

    def __init__(self) -> None:
        self.now = BEGIN_NS
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._number = count()
        self._done = 0

    def after(self, wait_ns: int, event: Callable[[], None]) -> None:
        """Let it happen then."""
        heapq.heappush(self._due, (self.now + max(0, wait_ns), next(self._number), event))

    def step(self, until: int) -> bool:
        """The next event that is due until then, or False, and then it is then."""
        if not self._due or self._due[0][0] > until:
            self.now = max(self.now, until)
            return False
        self.now, _, event = heapq.heappop(self._due)
        self._done += 1
        assert self._done < _MOST_EVENTS, "packets go round for ever"
        event()
        return True
