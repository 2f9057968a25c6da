"""Holds python-binary-memcached, which speaks the binary protocol only, against a node:
bmemcached_checks.py HOST:PORT | /PATH/OF/SOCKET

Ends with status 0 and the number of checks, or with the first check that failed.
"""

import sys

import bmemcached
from bmemcached.exceptions import MemcachedException

from checking import check, tell_count


def check_fails(name, status, call):
    """The node answers with this status of the protocol."""
    try:
        got = call()
    except MemcachedException as error:
        check(name, error.code, status)
        return
    sys.exit(f"{name}: {got!r} instead of an error")


def check_commands(client):
    check("flush_all", client.flush_all(), True)
    check("get of nothing", client.get("k"), None)
    check("get with a default", client.get("k", 7), 7)
    check("set", client.set("k", "value"), True)
    check("get", client.get("k"), "value")
    check("add of a key that is there", client.add("k", "x"), False)
    check("add", client.add("l", "x"), True)
    check("replace of a key that is not there", client.replace("m", "x"), False)
    check("replace", client.replace("l", "y"), True)
    check("get of the replaced", client.get("l"), "y")
    check("delete", client.delete("l"), True)
    check("get of the deleted", client.get("l"), None)
    # The client takes a miss for a success.
    check("delete of nothing", client.delete("l"), True)
    for value in ("", b"", b"\x00\x80\x81\r\n", "schlüssel", 17, True, None, [1, {"a": (2,)}]):
        check(f"set of {value!r}", client.set("k", value), True)
        check(f"get of {value!r}", client.get("k"), value)
    for key in ("with space", "ümläut", "k" * 250, "\x01\x02"):
        check(f"set of {key[:20]!r}", client.set(key, key), True)
        check(f"get of {key[:20]!r}", client.get(key), key)


def check_cas(client):
    client.set("k", "1")
    value, unique = client.gets("k")
    check("gets", value, "1")
    check("gets again", client.gets("k"), ("1", unique))
    check("cas", client.cas("k", "2", unique), True)
    check("cas of an old unique", client.cas("k", "3", unique), False)
    check("get after cas", client.get("k"), "2")
    stored, told = client.set("k", "4", get_cas=True)
    check("the unique of a set", (stored, client.gets("k")), (True, ("4", told)))
    check("delete with an old unique", client.delete("k", cas=unique), False)
    check("get after it", client.get("k"), "4")
    check("delete with its unique", client.delete("k", cas=told), True)
    check("cas of nothing", client.cas("k", "5", told), False)
    check("get of nothing", client.gets("k"), (None, None))
    check("cas with None adds", client.cas("k", "6", None), True)
    check("cas with None again", client.cas("k", "7", None), False)


def check_numbers(client):
    client.delete("n")
    check("incr makes it", client.incr("n", 5, default=10), 10)
    check("incr", client.incr("n", 5), 15)
    check("decr", client.decr("n", 6), 9)
    check("decr below nothing", client.decr("n", 60), 0)
    check("a number that is stored", client.set("n", 2**64 - 2), True)
    check("incr of the largest", client.incr("n", 1), 2**64 - 1)
    check("incr beyond", client.incr("n", 1), 0)
    client.set("t", "text")
    check_fails("incr of a text", 6, lambda: client.incr("t", 1))
    check("get after the error", client.get("t"), "text")


def check_many(client):
    values = {f"key{number}": f"value{number}" * number for number in range(300)}
    check("set_multi", client.set_multi(values), [])
    check("get_multi", client.get_multi([*values, "absent"]), values)
    check("get_multi, the last one absent", client.get_multi(["absent", "key1", "no"]),
          {"key1": "value1"})
    with_uniques = client.get_multi(list(values)[:20], get_cas=True)
    check("different uniques", len({unique for _, unique in with_uniques.values()}), 20)
    unique = with_uniques["key1"][1]
    # The client tells the failures in any order.
    check("set_multi with uniques", sorted(client.set_multi({
        ("key1", unique): "new", ("key2", unique): "no", ("key3", 0): "no", ("key400", 0): "made",
    })), [("key2", 0), ("key3", 0)])
    check("get_multi after it", client.get_multi(["key1", "key2", "key3", "key400"]), {
        "key1": "new", "key2": values["key2"], "key3": values["key3"], "key400": "made"})
    told = client.set_multi_cas({"a": "1", "b": "2", ("key1", unique): "3"})
    check("set_multi_cas", (told["a"], told["b"], told["key1"]),
          (client.gets("a")[1], client.gets("b")[1], None))
    check("delete_multi", client.delete_multi(list(values)), True)
    check("get_multi of the deleted", client.get_multi(list(values)), {})
    # One that is not there makes it False.
    check("delete_multi of nothing", client.delete_multi(["a", "absent", "b"]), False)
    check("get_multi after that", client.get_multi(["a", "b"]), {})


def check_sizes(client):
    for count in (1, 16_383, 16_384, 16_385, 500_000, 1_000_000):
        value = bytes(number * 7 % 256 for number in range(1000)) * (count // 1000)
        value += b"\r" * (count - len(value))
        check(f"set of {count} bytes", client.set("k", value, compress_level=0), True)
        check(f"get of {count} bytes", client.get("k") == value, True)
    check("set of what compresses", client.set("k", "x" * 5_000_000), True)
    check("get of what compresses", client.get("k") == "x" * 5_000_000, True)
    large = b"x" * 1_100_000
    check_fails("set of too much", 3, lambda: client.set("k", large, compress_level=0))
    check("get after too much", client.get("k"), None)
    check("and on", client.set("k", "x") and client.get("k"), "x")


def check_times(client):
    check("set for a while", client.set("k", "x", time=100), True)
    check("get", client.get("k"), "x")
    check("set of a past date", client.set("k", "x", time=1_000_000_000), True)
    check("get of the past", client.get("k"), None)
    check("the latest date there is", client.set("k", "x", time=-1), True)
    check("get of it", client.get("k"), "x")


def check_node(client):
    stats = next(iter(client.stats().values()))
    check("stats", int(stats["curr_items"]) > 0, True)
    check("stats version", stats["version"].split(b".")[0], b"1")
    settings = next(iter(client.stats("settings").values()))
    check("stats settings", settings["evictions"], b"on")
    check("flush_all", client.flush_all(), True)
    check("get after flush_all", client.get("k"), None)


def main():
    client = bmemcached.Client([sys.argv[1]], socket_timeout=10)
    for part in (check_commands, check_cas, check_numbers, check_many, check_sizes, check_times,
                 check_node):
        part(client)
    client.disconnect_all()
    tell_count()


main()
