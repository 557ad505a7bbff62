"""Captures that somebody already made: open them, read them once, keep what is needed to look again."""
