"""Captures that somebody already made: open them, read them once, keep what is needed to look again."""

import os

from captures import native

# NETPROBE_NATIVE=0 does without the compiled loops, for comparison; nothing but the time changes.
native.allow(os.environ.get("NETPROBE_NATIVE") != "0")
