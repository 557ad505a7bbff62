"""TCP flags and the direction of frames, by their numbers."""

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = 1, 2, 4, 8, 16, 32, 64, 128
INBOUND, OUTBOUND = 1, 2  # directions, as pcapng numbers them
_LETTERS = ((SYN, "S"), (FIN, "F"), (RST, "R"), (PSH, "P"), (ACK, "."), (URG, "U"), (ECE, "E"), (CWR, "W"))


def flag_letters(flags: int) -> str:
    """TCP flags in tcpdump's notation, without brackets: `S.` is a SYN-ACK, `R.` a RST with ACK."""
    return "".join(letter for bit, letter in _LETTERS if flags & bit) or "none"
