"""What a user types, and what is asked for it."""

import socket
from typing import Any

import pytest

from netprobe.errors import BadTarget
from netprobe.live import target
from netprobe.live.many import addresses, ports
from netprobe.live.target import resolve


@pytest.mark.parametrize(
    ("typed", "address", "port"),
    [
        ("192.0.2.1", "192.0.2.1", 22), ("192.0.2.1:2222", "192.0.2.1", 2222), ("user@192.0.2.1:23", "192.0.2.1", 23),
        ("2001:db8::1", "2001:db8::1", 22), ("[2001:db8::1]", "2001:db8::1", 22), ("[2001:db8::1]:80", "2001:db8::1", 80),
    ],
)  # fmt: skip
def test_addresses_and_ports(typed: str, address: str, port: int) -> None:
    found = resolve(typed)
    assert (found.addresses, found.port) == ((address,), port)


@pytest.mark.parametrize(
    "typed", ["", ":22", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:ssh", "[2001:db8::1", "1:2:3", "[::1]x"]
)
def test_what_is_no_target_is_one_line(typed: str) -> None:
    with pytest.raises(BadTarget) as error:
        resolve(typed)
    assert "\n" not in str(error.value)


def test_every_address_of_a_name_once_in_the_resolvers_order(monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(host: str, port: int, *_: Any) -> list[tuple[Any, ...]]:
        found = ("2001:db8::1", "192.0.2.1", "192.0.2.1")
        return [(0, 0, 0, "", (address, port)) for address in found]

    monkeypatch.setattr(target, "_alias", lambda host, port: (f"{host}.example", port))
    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    found = resolve("box:2222")
    assert (found.typed, found.name, found.port) == ("box:2222", "box.example", 2222)
    assert found.addresses == ("2001:db8::1", "192.0.2.1")


def test_a_name_that_does_not_resolve_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(*_: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with pytest.raises(BadTarget, match="does not resolve: Name or service not known; no packet was sent"):
        resolve("nowhere.invalid", numeric=True)


def test_an_alias_of_ssh_config_is_asked_for_where_it_leads(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    fake = tmp_path / "ssh"
    fake.write_text("#!/bin/sh\necho hostname 192.0.2.7\necho port 2200\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found = resolve("box")
    assert (found.addresses, found.port) == (("192.0.2.7",), 2200)


def test_many_targets(tmp_path: Any) -> None:
    listed = tmp_path / "hosts"
    listed.write_text("192.0.2.9 # the gateway\n2001:db8::5\n")
    found = addresses(["192.0.2.0/30", "192.0.2.2-4", f"@{listed}"])
    assert found == ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.9", "2001:db8::5"]


@pytest.mark.parametrize("word", ["10.0.0.0/8", "192.0.2.1/33", "192.0.2.250-300", "@/nonexistent"])
def test_too_many_or_no_targets(word: str) -> None:
    with pytest.raises(BadTarget):
        addresses([word])


def test_port_lists() -> None:
    assert ports("22,80-82,ssh") == [22, 80, 81, 82]
    for text in ("0", "80-79", "65536", "nonesuch", ""):
        with pytest.raises(BadTarget):
            ports(text)


@pytest.mark.parametrize("typed", ["224.0.0.1", "0.0.0.0", "[ff02::1]:22", "255.255.255.255"])
def test_what_is_no_single_host_is_refused(typed: str) -> None:
    with pytest.raises(BadTarget, match="name one host"):
        resolve(typed, numeric=True)


def test_an_ipv4_address_written_as_ipv6_is_asked_over_ipv4() -> None:
    assert resolve("[::ffff:192.0.2.7]:22", numeric=True).addresses == ("192.0.2.7",)
