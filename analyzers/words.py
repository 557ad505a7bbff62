"""Small words that several analyzers need: how a duration, an amount or a stream reads in a sentence."""


def duration(ns: int) -> str:
    """A duration for people: 70 us, 0.3 ms, 25 ms, 3.1 s, 2 min 11 s, 5 h 3 min, 40 days."""
    ms = ns / 1e6
    if ms < 0.1:
        return f"{ns / 1e3:.0f} us"
    if ms < 10:
        return f"{ms:.1f} ms"
    if ms < 999.5:
        return f"{ms:.0f} ms"
    seconds = ns / 1e9
    if seconds < 100:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
    if seconds < 172_800:
        return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:.0f} min"
    return f"{seconds / 86400:,.0f} days"


def times(count: int, noun: str) -> str:
    """An amount with its noun: 1 try, 3 tries."""
    if count == 1:
        return f"1 {noun}"
    plural = noun[:-1] + "ies" if noun.endswith("y") and noun[-2:-1] not in "aeiou" else noun + "s"
    return f"{count:,} {plural}"


def first_line(data: bytes) -> str:
    """The first line of a stream, shortened and printable."""
    line = data[:200].split(b"\n")[0].strip().decode("latin-1")[:72]
    return "".join(c if c.isprintable() else "." for c in line)
