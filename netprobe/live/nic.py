"""A network interface, listened on through libpcap: the one door to pcapy-ng.

The filter runs in the kernel. Times are the kernel's, in microseconds, as pcapy-ng hands them out; the direction of a frame
is not handed out, but some link types tell it (`Nic.direction`).
"""

from typing import NamedTuple

from captures.flags import INBOUND, OUTBOUND
from netprobe.errors import BadTarget, NotAllowed

ETHERNET, COOKED = 1, 113
_DLT_RAW = (12, 14)  # as libpcap numbers it; in files it is LINKTYPE_RAW
_LINKTYPE_RAW = 101
TIMEOUT_MS = 50
"""How long the kernel may keep a packet back to hand out several at once."""
_BUFFER_BYTES = 16 << 20
_NO_SUCH_DEVICE, _NO_PERMISSION, _NOT_UP = -5, -8, -9
_OF_INTEREST = "tcp or icmp or icmp6"


class Taken(NamedTuple):
    """One captured frame; `length` is what it had on the wire."""

    ts_ns: int
    data: bytes
    length: int


class Gone(Exception):
    """The interface went away or down; the text is one line for the user."""


class Nic:
    """Opened and listening. `link` is the LINKTYPE_ number of what it hands out."""

    def __init__(
        self, name: str, expression: str = "", snaplen: int = 262_144, promiscuous: bool = True, hardware: bytes = b""
    ) -> None:
        """`hardware` is the interface's own link address, where known: it tells the direction of Ethernet frames.

        Raises `BadTarget` for an interface that is not there or not up and for a filter that does not compile,
        `NotAllowed` without CAP_NET_RAW or without pcapy-ng; the text of both is one line.
        """
        try:
            import pcapy
        except ImportError:
            raise NotAllowed("listening on an interface needs pcapy-ng: pip install pcapy-ng") from None
        self._hardware = hardware
        self._pcap = pcapy.create(name)
        self._pcap.set_snaplen(snaplen)
        self._pcap.set_promisc(int(promiscuous and name != "any"))
        self._pcap.set_timeout(TIMEOUT_MS)
        self._pcap.set_buffer_size(_BUFFER_BYTES)
        status = self._pcap.activate()
        if status == _NO_PERMISSION:
            raise NotAllowed("recording packets needs root or CAP_NET_RAW: sudo netprobe capture ...")
        if status < 0:
            why = {_NO_SUCH_DEVICE: "there is no such interface", _NOT_UP: "it is down"}.get(
                status, f"libpcap cannot listen on it (error {status})"
            )
            raise BadTarget(f"{name}: {why}; netprobe interfaces lists what can be listened on")
        link = int(self._pcap.datalink())
        self.link = _LINKTYPE_RAW if link in _DLT_RAW else link
        self.filter = expression or default_filter(link)
        try:
            self._pcap.setfilter(self.filter)
        except pcapy.PcapError as error:
            raise BadTarget(f"{self.filter!r} is no filter for {name}: {error}") from None
        self._pcap.setnonblock(1)
        self._lost = pcapy.PcapError
        self._name = name

    def fileno(self) -> int:
        return int(self._pcap.getfd())

    def take(self, most: int = -1) -> list[Taken]:
        """What the kernel has ready, at most so many (-1: one buffer full); empty when nothing is. Raises `Gone` when
        the interface went away."""
        out: list[Taken] = []

        def keep(header: "Header", data: bytes) -> None:  # type: ignore[name-defined]  # noqa: F821 - pcapy's
            seconds, micros = header.getts()
            out.append(Taken(seconds * 1_000_000_000 + micros * 1000, data, header.getlen()))

        try:
            self._pcap.dispatch(most, keep)
        except self._lost as error:
            raise Gone(f"{self._name}: {error}") from None
        return out

    def counts(self) -> tuple[int, int]:
        """How many packets passed the filter so far, and how many of these the kernel had to drop for want of room."""
        received, dropped, _ = self._pcap.stats()
        return int(received), int(dropped)

    def direction(self, data: bytes) -> int:
        """INBOUND or OUTBOUND as the frame itself tells it, 0 where it does not.

        Linux cooked frames say it. Of Ethernet only that is said: what bears this interface's own address as source was
        sent here, and what bears it as destination came in.
        """
        if self.link == COOKED:
            return OUTBOUND if data[:2] == b"\0\4" else INBOUND
        if self.link == ETHERNET and self._hardware.strip(b"\0"):
            if data[6:12] == self._hardware:
                return OUTBOUND
            if data[:6] == self._hardware:
                return INBOUND
        return 0

    def close(self) -> None:
        self._pcap.close()


def default_filter(link: int) -> str:
    """TCP and ICMP, under up to two VLAN tags where frames bear tags.

    Tags that the network card takes off are put back by libpcap only after the filter has run, others stand in the frame:
    the filter needs the words for both. `vlan` moves what stands behind it in the expression, so it stands last. On "any"
    the kernel hands out frames without their link header, and libpcap refuses the word.
    """
    if link != ETHERNET:
        return _OF_INTEREST
    return f"{_OF_INTEREST} or (vlan and ({_OF_INTEREST} or (vlan and ({_OF_INTEREST}))))"
