"""Facts: bytes in, packets out.

`formats` walks a capture file, `table` scans its frames into columns, `packet` decodes the few frames that decide.
Nothing here opens a file, asks a clock or draws a conclusion.
"""
