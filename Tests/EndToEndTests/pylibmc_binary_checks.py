"""Holds pylibmc, which is libmemcached, with `binary=True` against nodes:
pylibmc_binary_checks.py HOST:PORT [HOST:PORT ...]

What is written in the binary protocol is read in the text protocol, and the other way round. Ends with status 0
and the number of checks, or with the first check that failed.
"""

import sys

import pylibmc

from checking import check, check_raises, tell_count

BEHAVIORS = {"ketama_weighted": True, "cas": True, "no_block": False}


def check_commands(client):
    client.flush_all()
    check("get of nothing", client.get("k"), None)
    for value in ("value", "", b"\x00\x80\x81\r\n", 17, True, [1, {"a": None}]):
        check(f"set of {value!r}", client.set("k", value), True)
        check(f"get of {value!r}", client.get("k"), value)
    check("add of what is there", client.add("k", "x"), False)
    check("add", client.add("l", "x"), True)
    check("replace", client.replace("l", b"y"), True)
    check_raises("replace of nothing", pylibmc.NotFound, lambda: client.replace("m", "y"))
    check("append", client.append("l", b"z"), True)
    check("prepend", client.prepend("l", b"x"), True)
    check("get of the three", client.get("l"), b"xyz")
    check("append to nothing", client.append("m", b"x"), False)
    check("delete", client.delete("l"), True)
    check("delete of nothing", client.delete("l"), False)
    check("touch", client.set("k", "x") and client.touch("k", 100), True)
    check("touch of nothing", client.touch("absent", 100), False)
    check("set of the past", client.set("k", "x", time=1_000_000_000), True)
    check("get of the past", client.get("k"), None)


def check_cas(client):
    client.set("k", "1")
    value, unique = client.gets("k")
    check("gets", value, "1")
    check("cas", client.cas("k", "2", unique), True)
    check("cas of an old unique", client.cas("k", "3", unique), False)
    check("get after cas", client.get("k"), "2")
    client.delete("k")
    check_raises("cas of nothing", pylibmc.NotFound, lambda: client.cas("k", "3", unique))


def check_numbers(client):
    client.set("n", 10)
    check("incr", client.incr("n", 5), 15)
    check("decr", client.decr("n", 20), 0)
    check_raises("incr of nothing", pylibmc.NotFound, lambda: client.incr("absent"))
    client.set("t", "text")
    # libmemcached has no name for status 6.
    check_raises("incr of a text", pylibmc.Error, lambda: client.incr("t"))
    check("get after the error", client.get("t"), "text")


def check_many(client):
    values = {f"key{number}": f"value{number}" * number for number in range(300)}
    check("set_multi", client.set_multi(values, time=100), [])
    check("get_multi", client.get_multi([*values, "absent"]), values)
    check("get_multi of nothing", client.get_multi(["absent", "no"]), {})
    check("delete_multi", client.delete_multi(list(values)[:10]), True)
    check("get_multi after it", len(client.get_multi(list(values))), 290)


def check_sizes(client):
    for count in (1, 16_384, 100_000, 1_000_000):
        value = bytes(number * 7 % 256 for number in range(1000)) * (count // 1000)
        value += b"\r" * (count - len(value))
        check(f"set of {count} bytes", client.set("k", value), True)
        check(f"get of {count} bytes", client.get("k") == value, True)
    check_raises("set of too much", pylibmc.TooBig, lambda: client.set("k", b"x" * 1_100_000))
    check("get after too much", client.get("k"), None)


def check_both(servers):
    """Two clients, of which each speaks another protocol."""
    binary = pylibmc.Client(servers, binary=True, behaviors=BEHAVIORS)
    text = pylibmc.Client(servers, behaviors=BEHAVIORS)
    binary.set("k", ["of the binary one"])
    check("text after binary", text.get("k"), ["of the binary one"])
    text.set("k", ["of the text one"])
    check("binary after text", binary.get("k"), ["of the text one"])
    check("the same unique", binary.gets("k"), text.gets("k"))
    unique = binary.gets("k")[1]
    check("cas in text", text.cas("k", "new", unique), True)
    check("an old unique in binary", binary.cas("k", "no", unique), False)
    text.set("n", 10)
    check("incr in both", (binary.incr("n"), text.incr("n"), binary.get("n")), (11, 12, 12))
    check("delete", (text.delete("n"), binary.delete("n")), (True, False))


def check_node(client, count):
    stats = client.get_stats()
    check("stats", len(stats), count)
    check("stats version", {page["version"][:2] for _, page in stats}, {b"1."})
    client.set("k", "x")
    check("flush_all", client.flush_all(), True)
    check("get after flush_all", client.get("k"), None)


def main():
    servers = sys.argv[1:]
    client = pylibmc.Client(servers, binary=True, behaviors=BEHAVIORS)
    for part in (check_commands, check_cas, check_numbers, check_many, check_sizes):
        part(client)
    check_both(servers)
    check_node(client, len(servers))
    # The quiet commands: stores without an answer.
    quiet = pylibmc.Client(servers, binary=True, behaviors={**BEHAVIORS, "_noreply": True})
    values = {f"quiet{number}": str(number) for number in range(1000)}
    check("quiet set_multi", quiet.set_multi(values), [])
    check("quiet delete", quiet.delete("quiet0"), True)
    keys = list(values)
    del values["quiet0"]
    check("get_multi after the quiet ones", quiet.get_multi(keys), values)
    tell_count()


main()
