"""Names are nice to have: whoever has none, or does not say it at once, is not waited for."""

import threading
import time

from netprobe.live.names import names_of


def test_each_address_gets_the_name_that_it_has() -> None:
    known = {"192.0.2.1": "gw.example.net", "192.0.2.3": "192.0.2.3"}

    def ask(address: str) -> str:
        if address not in known:
            raise OSError("unknown host")
        return known[address]

    assert names_of(["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.1"], ask) == {"192.0.2.1": "gw.example.net"}


def test_a_resolver_that_keeps_silent_is_left_alone() -> None:
    gone = threading.Event()

    def ask(address: str) -> str:
        if address == "192.0.2.1":
            return "gw.example.net"
        gone.wait(60)
        return "too.late.example.net"

    before = time.monotonic()
    try:
        assert names_of(["192.0.2.2", "192.0.2.3", "192.0.2.1"], ask) == {"192.0.2.1": "gw.example.net"}
        assert time.monotonic() - before < 30
    finally:
        gone.set()
