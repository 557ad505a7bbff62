"""Programs that stand for things which are no sshd: bad services, callers that take all places.

    services.py http PORT             a web server: answers what is not HTTP with 400
    services.py silent PORT           accepts, never reads, never says anything
    services.py tarpit PORT SECONDS   sends a line every so many seconds, which is never a greeting
    services.py closing PORT          accepts and closes at once
    services.py dying PORT            accepts, says half a greeting, and is gone
    services.py full PORT             a listener that never accepts, its queue already full
    services.py hold ADDRESS PORT N   opens N connections, waits for a greeting, and keeps them open without a word
    services.py call ADDRESS PORT N   opens N connections, one after the other, waits for a greeting and leaves

Each says "ready" when it is at work, and ends when its lab does.
"""

import socket
import sys
import threading
import time
from collections.abc import Callable

HTTP = b"HTTP/1.1 400 Bad Request\r\nServer: web/1.0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def serve(port: str, talk: Callable[[socket.socket], None]) -> None:
    """Accept on all addresses, and talk to every caller for itself."""
    with socket.create_server(("", int(port)), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        print("ready", flush=True)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=talk, args=(connection,), daemon=True).start()


def http(connection: socket.socket) -> None:
    with connection:
        connection.settimeout(30)
        if connection.recv(4096):
            connection.sendall(HTTP)


def silent(connection: socket.socket) -> None:
    with connection:
        time.sleep(3600)


def tarpit(seconds: str) -> Callable[[socket.socket], None]:
    def talk(connection: socket.socket) -> None:
        with connection:
            for number in range(3600):
                connection.sendall(b"%x\r\n" % ((number + 1) * 2654435761 % 2**32))
                time.sleep(int(seconds))

    return talk


def closing(connection: socket.socket) -> None:
    connection.close()


def dying(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-Open")
    connection.close()


def full(port: str) -> None:
    listener = socket.create_server(("", int(port)), family=socket.AF_INET6, dualstack_ipv6=True, backlog=0)
    callers = [socket.create_connection(("127.0.0.1", int(port)), timeout=5)]
    print("ready", flush=True)
    time.sleep(86400)
    del listener, callers


def hold(address: str, port: str, number: str) -> None:
    callers = []
    for _ in range(int(number)):
        callers.append(socket.create_connection((address, int(port)), timeout=5))
        callers[-1].recv(256)
    print("ready", flush=True)
    time.sleep(86400)


def call(address: str, port: str, number: str) -> None:
    for _ in range(int(number)):
        with socket.create_connection((address, int(port)), timeout=5) as connection:
            connection.recv(256)
    print("ready", flush=True)


def main(what: str, *arguments: str) -> None:
    talks = {"http": http, "silent": silent, "closing": closing, "dying": dying}
    if what in talks:
        serve(arguments[0], talks[what])
    elif what == "tarpit":
        serve(arguments[0], tarpit(arguments[1]))
    elif what == "full":
        full(*arguments)
    elif what in ("hold", "call"):
        {"hold": hold, "call": call}[what](*arguments)
    else:
        sys.exit(f"no program {what}")


if __name__ == "__main__":
    main(*sys.argv[1:])
