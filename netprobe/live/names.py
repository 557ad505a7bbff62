"""The names of those who answered, by reverse DNS: asked all at once, and not waited for longer than a moment."""

import socket
import time
from collections.abc import Callable, Iterable
from threading import Thread

_PATIENCE_S = 1.0


def _asked(address: str) -> str:
    return socket.gethostbyaddr(address)[0]


def names_of(addresses: Iterable[str], ask: Callable[[str], str] = _asked) -> dict[str, str]:
    """A name for each address that has one and whose resolver says so within a second for all of them together.

    What the resolver has not said by then is left to threads that end with the process.
    """
    found: dict[str, str] = {}

    def look(address: str) -> None:
        try:
            name = ask(address)
        except OSError:  # no name, no resolver, or none that answers
            return
        if name and name != address:
            found[address] = name

    threads = [Thread(target=look, args=(address,), daemon=True) for address in dict.fromkeys(addresses)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + _PATIENCE_S
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return dict(found)
