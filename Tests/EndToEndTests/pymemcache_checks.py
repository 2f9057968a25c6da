"""Holds pymemcache's commands against a node: pymemcache_checks.py HOST:PORT | /PATH/OF/SOCKET

Ends with status 0 and the number of checks, or with the first check that failed.
"""

import sys

from pymemcache.client.base import Client, PooledClient
from pymemcache.client.hash import HashClient
from pymemcache.exceptions import (
    MemcacheClientError,
    MemcacheIllegalInputError,
    MemcacheServerError,
)

from checking import check, check_raises, tell_count


def check_commands(client):
    client.flush_all()
    check("get of nothing", client.get("k"), None)
    check("get with a default", client.get("k", default=7), 7)
    check("set", client.set("k", b"value", noreply=False), True)
    check("get", client.get("k"), b"value")
    check("set without a reply", client.set("k", b"other"), True)
    check("get after it", client.get("k"), b"other")
    check("add of a key that is there", client.add("k", b"x", noreply=False), False)
    check("add", client.add("l", b"x", noreply=False), True)
    check("replace of a key that is not there", client.replace("m", b"x", noreply=False), False)
    check("replace", client.replace("l", b"y", noreply=False), True)
    check("append", client.append("l", b"z", noreply=False), True)
    check("prepend", client.prepend("l", b"x", noreply=False), True)
    check("get of the three", client.get("l"), b"xyz")
    check("append to nothing", client.append("m", b"x", noreply=False), False)


def check_cas(client):
    client.set("k", b"1", noreply=False)
    value, unique = client.gets("k")
    check("gets", value, b"1")
    check("cas", client.cas("k", b"2", unique, noreply=False), True)
    check("cas of an old unique", client.cas("k", b"3", unique, noreply=False), False)
    check("cas of nothing", client.cas("absent", b"3", unique, noreply=False), None)
    check("get after cas", client.get("k"), b"2")


def check_numbers(client):
    client.set("n", b"10", noreply=False)
    check("incr", client.incr("n", 5), 15)
    check("decr", client.decr("n", 20), 0)
    check("incr of nothing", client.incr("absent", 1), None)
    client.set("t", b"text", noreply=False)
    check_raises("incr of a text", MemcacheClientError, lambda: client.incr("t", 1))
    check("get after the error", client.get("t"), b"text")


def check_times(client):
    client.set("k", b"x", expire=100, noreply=False)
    check("touch", client.touch("k", expire=200, noreply=False), True)
    check("touch of nothing", client.touch("absent", expire=200, noreply=False), False)
    # pymemcache has no command for it.
    check("gat", client.raw_command("gat 300 k", b"END\r\n"), b"VALUE k 0 1\r\nx\r\n")
    check("set of the past", client.set("k", b"x", expire=-1, noreply=False), True)
    check("get of the past", client.get("k"), None)


def check_many(client):
    values = {f"key{number}": f"value{number}".encode() for number in range(300)}
    check("set_many", client.set_many(values, noreply=False), [])
    check("get_many", client.get_many(list(values) + ["absent"]), values)
    check("gets_many", len(client.gets_many(list(values))), 300)
    check("delete_many", client.delete_many(list(values)[:10], noreply=False), True)
    check("get_many after it", len(client.get_many(list(values))), 290)


def check_sizes(client):
    for count in (0, 1, 16_000, 16_384, 20_000, 500_000, 1_000_000):
        value = bytes(number * 7 % 256 for number in range(1000)) * (count // 1000)
        value += b"\r" * (count - len(value))
        check(f"set of {count} bytes", client.set("k", value, noreply=False), True)
        check(f"get of {count} bytes", client.get("k") == value, True)
    check_raises(
        "set of too much",
        MemcacheServerError,
        lambda: client.set("k", b"x" * 1_100_000, noreply=False),
    )
    check("get after too much", client.get("k"), None)


def check_deleting(client):
    client.set("k", b"x", noreply=False)
    check("delete", client.delete("k", noreply=False), True)
    check("delete of nothing", client.delete("k", noreply=False), False)
    client.set("k", b"x", noreply=False)
    check("flush_all", client.flush_all(noreply=False), True)
    check("get after flush_all", client.get("k"), None)


def check_node(client):
    check("version", client.version().split(b".")[0], b"1")
    stats = client.stats()
    check("stats", stats[b"curr_items"], 0)
    check("stats settings", client.stats("settings")[b"evictions"], b"on")
    check("stats items", client.stats("items"), {})
    client.set("k", b"x", noreply=False)
    check("stats after a set", client.stats()[b"curr_items"], 1)
    check("cache_memlimit", client.cache_memlimit(64), True)
    check_raises("a key that is too long", MemcacheIllegalInputError, lambda: client.get("k" * 251))


def main():
    place = sys.argv[1]
    if place.startswith("/"):
        address = place
    else:
        host, port = place.rsplit(":", 1)
        address = (host, int(port))
    client = Client(address, timeout=10, connect_timeout=10)
    check_node(client)
    client.quit()
    for kind in (Client, PooledClient):
        client = kind(address, timeout=10, connect_timeout=10)
        for part in (
            check_commands,
            check_cas,
            check_numbers,
            check_times,
            check_many,
            check_sizes,
            check_deleting,
        ):
            part(client)
        client.close()
    ring = HashClient([address], timeout=10, connect_timeout=10)
    check("a ring's set", ring.set("k", b"x", noreply=False), True)
    check("a ring's get", ring.get("k"), b"x")
    tell_count()


main()
