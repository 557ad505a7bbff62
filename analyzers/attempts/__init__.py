"""PacketTable -> connection attempts: each SYN with its retransmissions and everything that answered it.

`track` joins rows to attempts while the capture streams by; `shape` finds attempts that look alike; `ending` tells how
one of each kind went; `ledger` holds the result for all of them.
"""
