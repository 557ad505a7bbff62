"""Conclusions: packets in, verdicts out. Pure: nothing here touches a file, a socket, a clock or a random number."""
