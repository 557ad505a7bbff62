"""How the stacks and boxes of this world make a RST for a SYN, and repeat a SYN: rows to compare with, never proof.

Each row names its source and its date; most were read from nmap's database of operating systems (test T5, SYN to a closed
port), where several vendors are old. None stands for a device that this project has measured unless it says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Form:
    """The form of a RST that refuses a SYN. None: either. `window`: zero, syn (the SYN's own) or other."""

    maker: str
    ttl: int
    df: bool | None
    window: str
    source: str

    def fits(self, ttl: int, df: bool | None, window: str) -> bool:
        return self.ttl == ttl and self.window == window and (None in (self.df, df) or self.df == df)


_NMAP = "nmap-os-db of nmap 7.93 (2022), test T5"

FORMS = (
    Form("Linux (its TCP or its packet filter)", 64, True, "zero", "measured 2026, Linux 6.18"),
    Form("FreeBSD", 64, True, "zero", _NMAP),
    Form("OpenBSD", 64, None, "zero", _NMAP),
    Form("pf", 64, None, "zero", "pf.c of FreeBSD, OpenBSD and XNU, read 2026"),
    Form("ipfw", 64, False, "zero", "FreeBSD ip_fw, read 2026"),
    Form("macOS", 64, False, "zero", _NMAP),
    Form("Juniper JUNOS or SRX", 64, False, "zero", _NMAP),
    Form("Solaris", 64, False, "zero", _NMAP),
    Form("Cisco NX-OS", 64, False, "zero", _NMAP),
    Form("FortiGate", 64, False, "zero", _NMAP),
    Form("F5 BIG-IP", 64, True, "zero", _NMAP),
    Form("F5 BIG-IP", 255, True, "zero", _NMAP),
    Form("FortiGate", 32, False, "zero", _NMAP),
    Form("Windows", 128, True, "zero", _NMAP),
    Form("Cisco IOS", 255, False, "zero", _NMAP),
    Form("Huawei VRP", 255, False, "zero", _NMAP),
    Form("Cisco ASA", 255, False, "syn", _NMAP),
    Form("Palo Alto", 255, False, "syn", _NMAP),
    Form("lwIP devices", 255, None, "other", _NMAP),
)


def makers(ttl: int, df: bool | None, window: str) -> tuple[str, ...]:
    """Who is known to make RSTs of this form; `ttl` is the initial one, `df` None in IPv6."""
    return tuple(dict.fromkeys(form.maker for form in FORMS if form.fits(ttl, df, window)))


BACKOFFS = (
    ("Linux 6.5 or later", (1, 2, 3, 4, 5), "measured 2026, Linux 6.18; kernel ip-sysctl"),
    ("Linux before 6.5", (1, 3, 7, 15, 31), "kernel ip-sysctl"),
)
"""Seconds after the first SYN at which stacks repeat it."""


def backoff(tried_ns: Sequence[int]) -> str:
    """Whose habit it is to repeat a SYN at these times, as an aside; "" for fewer than three or unknown ones."""
    if len(tried_ns) < 3:
        return ""
    for system, seconds, _ in BACKOFFS:
        known = list(zip(tried_ns, seconds, strict=False))
        if all(abs(ns - at * 1_000_000_000) < 0.1 * at * 1_000_000_000 + 50_000_000 for ns, at in known):
            return f", as {system} does"
    return ""
