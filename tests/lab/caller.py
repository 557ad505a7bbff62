"""A client for the lab, run in a client's namespace: one kernel connect(), then it speaks as ssh does and listens.

    caller.py ADDRESS PORT WAIT [speak|hush] [SOURCE [SPORT]]

Prints JSON: errno (or null), what was heard, how it ended ("", "eof", "reset") and after how long.
"""

import errno
import json
import socket
import sys
import time


def main(address: str, port: str, wait: str, manner: str = "speak", source: str = "", sport: str = "0") -> None:
    began = time.monotonic()
    said: dict[str, object] = {"errno": None, "heard": "", "end": ""}
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as sock:
        sock.settimeout(float(wait))
        sock.setsockopt(*((41, 67) if ":" in address else (0, 1)), 0x48)  # a DSCP that a host's reset reflects
        try:
            if source or sport != "0":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind((source, int(sport)))
            sock.connect((address, int(port)))
            if manner == "speak":
                sock.sendall(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
            heard = b""
            while b"\n" not in heard or not heard.startswith(b"SSH-"):
                sock.settimeout(max(0.01, float(wait) - (time.monotonic() - began)))
                got = sock.recv(4096)
                if not got:
                    said["end"] = "eof"
                    break
                heard += got
                said["heard"] = heard.decode("latin-1")
        except TimeoutError:
            said["errno"] = "ETIMEDOUT"
        except ConnectionResetError:
            said["end"] = "reset"
        except OSError as error:
            said["errno"] = errno.errorcode[error.errno or 0]
    said["after"] = time.monotonic() - began
    print(json.dumps(said))


if __name__ == "__main__":
    main(*sys.argv[1:])
