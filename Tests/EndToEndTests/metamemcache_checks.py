"""Holds meta-memcache's commands against a node: metamemcache_checks.py HOST:PORT

Ends with status 0 and the number of checks, or with the first check that failed.
"""

import logging
import random
import sys

from meta_memcache import CacheClient, connection_pool_factory_builder
from meta_memcache.configuration import (
    LeasePolicy,
    RecachePolicy,
    ServerAddress,
    StalePolicy,
)
from meta_memcache.errors import MemcacheServerError
from meta_memcache.protocol import Key, Miss, RequestFlags, SetMode, Success, Value

from checking import check, tell_count


def connect(host, port):
    return CacheClient.cache_client_from_servers(
        servers=[ServerAddress(host, port)],
        connection_pool_factory_fn=connection_pool_factory_builder(
            connection_timeout=10, recv_timeout=10
        ),
    )


def check_commands(client, _):
    check("get of nothing", client.get("k"), None)
    check("set", client.set("k", "value", ttl=100), True)
    check("get", client.get("k"), "value")
    check("get as a type", client.get_typed("k", str), "value")
    check("set without a reply", client.set("k", "other", ttl=0, no_reply=True), True)
    check("get after it", client.get("k"), "other")
    for value in (b"bytes", 17, True, None, {"a": [1, 2]}, b""):
        check(f"set of {value!r}", client.set("k", value, ttl=100), True)
        check(f"get of {value!r}", client.get("k"), value)
    check("delete", client.delete("k"), True)
    check("delete of nothing", client.delete("k"), False)
    check("invalidate of nothing", client.invalidate("k"), True)
    check("get after delete", client.get("k"), None)
    client.set("k", "value", ttl=100)
    check("delete without a reply", client.delete("k", no_reply=True), True)
    check("get after it", client.get("k"), None)


def check_modes(client, _):
    check("replace of nothing", client.set("m", "x", 100, set_mode=SetMode.REPLACE), False)
    check("append to nothing", client.set("m", b"x", 100, set_mode=SetMode.APPEND), False)
    check("add", client.set("m", b"x", 100, set_mode=SetMode.ADD), True)
    check("add once more", client.set("m", b"y", 100, set_mode=SetMode.ADD), False)
    check("append", client.set("m", b"z", 100, set_mode=SetMode.APPEND), True)
    check("prepend", client.set("m", b"a", 100, set_mode=SetMode.PREPEND), True)
    check("get of the three", client.get("m"), b"axz")
    check("replace", client.set("m", b"r", 100, set_mode=SetMode.REPLACE), True)
    check("refill of what is there", client.refill("m", b"no", 100), False)
    check("get of the replaced", client.get("m"), b"r")
    client.delete("m")
    check("refill", client.refill("m", b"yes", 100), True)


def check_cas(client, other):
    client.set("c", "one", ttl=100)
    value, token = client.get_cas("c")
    check("get with a token", value, "one")
    check("cas", client.set("c", "two", ttl=100, cas_token=token), True)
    check("cas of an old token", other.set("c", "three", ttl=100, cas_token=token), False)
    check("get after cas", client.get("c"), "two")
    token = client.set_cas("c", "four", ttl=100)
    check("the token of a set", client.get_cas("c"), ("four", token))
    check("delete of an old token", client.delete("c", cas_token=token + 1), False)
    check("delete with the token", client.delete("c", cas_token=token), True)
    check("cas of nothing", client.set("c", "five", ttl=100, cas_token=token), False)
    check("get of nothing", client.get_cas("c"), (None, None))


def ttl(client, key):
    """The seconds left, in tens: some may have passed. -1 is for ever."""
    left = client.meta_get(Key(key), RequestFlags(return_ttl=True)).flags.ttl
    return (left + 9) // 10 * 10 if left > 0 else left


def check_times(client, _):
    client.set("t", "x", ttl=100)
    check("ttl", ttl(client, "t"), 100)
    check("touch", client.touch("t", ttl=200), True)
    check("ttl after touch", ttl(client, "t"), 200)
    check("touch of nothing", client.touch("absent", ttl=200), False)
    check("get and touch", client.get("t", touch_ttl=300), "x")
    check("ttl after it", ttl(client, "t"), 300)
    client.set("t", "x", ttl=30 * 86400)
    check("thirty days", ttl(client, "t"), 30 * 86400)
    client.set("t", "x", ttl=31 * 86400)
    check("thirty-one days", ttl(client, "t"), 31 * 86400)
    client.set("t", "x", ttl=0)
    check("for ever", ttl(client, "t"), -1)
    client.set("t", "x", ttl=1_000_000_000)
    check("a date of the past", client.get("t"), None)


def check_numbers(client, _):
    check("delta of nothing", client.delta("n", 1), False)
    check(
        "a number made",
        client.delta_initialize_and_get("n", 1, initial_value=10, initial_ttl=100),
        10,
    )
    check(
        "a number there",
        client.delta_initialize_and_get("n", 1, initial_value=10, initial_ttl=100),
        11,
    )
    check("up", client.delta_and_get("n", 5), 16)
    check("down", client.delta_and_get("n", -6), 10)
    check("down to nothing", client.delta_and_get("n", -60), 0)
    check("delta", client.delta("n", 7, refresh_ttl=300), True)
    check("ttl after it", ttl(client, "n"), 300)
    check("get of a number", client.get("n"), "7")
    check("delta without a reply", client.delta("n", 1, no_reply=True), True)
    check("get after it", client.get("n"), "8")
    check("delta with an old token", client.delta("n", 1, cas_token=1 << 30), False)
    client.set("n", "text", ttl=100)
    try:
        client.delta("n", 1)
        sys.exit("delta of a text: no error")
    except MemcacheServerError:
        check("get after the error", client.get("n"), "text")


def check_many(client, _):
    values = {f"key{number}": f"value{number}" * (number + 1) for number in range(300)}
    for key, value in values.items():
        client.set(key, value, ttl=100, no_reply=True)
    got = client.multi_get(list(values) + ["absent"])
    check("multi_get", {key.key: value for key, value in got.items()}, values | {"absent": None})
    tokens = client.multi_get_cas(list(values)[:20])
    check("tokens differ", len({token for _, token in tokens.values()}), 20)
    for key in values:
        client.delete(key, no_reply=True)
    check("multi_get of nothing", set(client.multi_get(list(values)).values()), {None})


def check_sizes(client, _):
    for count in (1, 16_000, 16_384, 32_767, 32_768, 500_000, 1_000_000):
        # Not to be compressed.
        value = random.Random(count).randbytes(count)
        check(f"set of {count} bytes", client.set("s", value, ttl=100), True)
        check(f"get of {count} bytes", client.get("s") == value, True)
    try:
        client.set("s", random.Random(1).randbytes(1_100_000), ttl=100)
        sys.exit("set of too much: no error")
    except MemcacheServerError:
        check("get after too much", client.get("s"), None)


def check_keys(client, _):
    # Keys that are too long, or no plain text, go as base64.
    for key in ("k" * 250, "k" * 300, "schlüssel", "with space", "x\r\ny"):
        check(f"set of {key!r}", client.set(key, key, ttl=100), True)
        check(f"get of {key!r}", client.get(key), key)
        check(f"touch of {key!r}", client.touch(key, ttl=50), True)
        check(f"delete of {key!r}", client.delete(key), True)
        check(f"get of {key!r} after it", client.get(key), None)


def check_leases(client, other):
    policy = LeasePolicy(ttl=30, miss_retries=3)
    value, token = client.get_or_lease_cas("lease", policy)
    check("the winner gets a miss", value, None)
    check("others see no value meanwhile", other.get("lease"), None)
    waits = []

    def fill(seconds):
        waits.append(seconds)
        if len(waits) == 2:
            check("the winner fills", client.set("lease", "x", 100, cas_token=token), True)

    check("another waits for it", other.get_or_lease("lease", policy, lease_wait_fn=fill), "x")
    check("and not longer than that", len(waits), 2)
    waits.clear()
    client.delete("lease")
    client.get_or_lease("lease", policy)
    check("nobody fills", other.get_or_lease("lease", policy, lease_wait_fn=waits.append), None)
    check("so it gave up", len(waits), 2)


def check_recaching(client, other):
    client.set("r", "old", ttl=20)
    late, early = RecachePolicy(ttl=10), RecachePolicy(ttl=30)
    check("not due", client.get("r", recache_policy=late), "old")
    check("due: one gets a miss", client.get("r", recache_policy=early), None)
    check("others the old value", other.get("r", recache_policy=early), "old")
    check("whatever they ask", other.multi_get(["r"])[Key("r")], "old")
    check("the winner stores", client.set("r", "new", ttl=100), True)
    check("all get the new one", other.get("r", recache_policy=early), "new")


def check_staleness(client, other):
    policy = StalePolicy(mark_stale_on_deletion_ttl=30, mark_stale_on_cas_mismatch=True)
    client.set("st", "old", ttl=100)
    check("delete marks", client.delete("st", stale_policy=policy), True)
    value, token = client.get_cas("st")
    check("one gets a miss", value, None)
    check("others the stale value", other.get("st"), "old")
    result = other.meta_get(Key("st"), RequestFlags(return_value=True, return_ttl=True))
    check("it is said to be stale", (result.flags.stale, result.flags.win), (True, False))
    # While the winner makes a new value, the data change once more.
    check("invalidate", other.invalidate("st", stale_policy=policy), True)
    check(
        "a value made of old data is stored as a stale one",
        client.set("st", "older", ttl=100, cas_token=token, stale_policy=policy),
        True,
    )
    value, token = other.get_cas("st")
    check("another gets a miss", value, None)
    check("everyone else has it", client.get("st"), "older")
    check("the right token ends it", other.set("st", "new", ttl=100, cas_token=token), True)
    result = client.meta_get(Key("st"), RequestFlags(return_value=True))
    check("not stale", (result.value, result.flags.stale, result.flags.win), ("new", False, None))


def check_meta(client, _):
    client.set("meta", "x", ttl=0)
    flags = RequestFlags(
        return_value=True,
        return_size=True,
        return_fetched=True,
        return_last_access=True,
        no_update_lru=True,
    )
    for _ in range(2):
        result = client.meta_get(Key("meta"), flags)
        check("a look", (type(result), result.value), (Value, "x"))
        check("is no access", (result.flags.fetched, result.flags.size), (False, 1))
    client.get("meta")
    check("a get is", client.meta_get(Key("meta"), flags).flags.fetched, True)
    check("no value asked", type(client.meta_get(Key("meta"), RequestFlags())), Success)
    check("a miss", type(client.meta_get(Key("absent"), flags)), Miss)


def main():
    # Errors that are expected are checked, not logged.
    logging.disable()
    host, port = sys.argv[1].rsplit(":", 1)
    client, other = connect(host, int(port)), connect(host, int(port))
    for part in (
        check_commands,
        check_modes,
        check_cas,
        check_times,
        check_numbers,
        check_many,
        check_sizes,
        check_keys,
        check_leases,
        check_recaching,
        check_staleness,
        check_meta,
    ):
        part(client, other)
    tell_count()


main()
