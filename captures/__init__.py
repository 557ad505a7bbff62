"""Facts: bytes in, packets out.

`formats` walks a capture file, `scan` reads its frames into columns (`table`), `packet` decodes the few frames that decide.
Nothing here opens a file, asks a clock or draws a conclusion.
"""
