"""Stores sessions by libmemcached for scripts/cluster-bench, as many as each line of its input says, and says "done".

Called with how many replicas libmemcached is to keep, and the servers. Ends when its input does.
"""
import sys

import pylibmc

replicas, *servers = sys.argv[1:]
behaviors = {"ketama": True, "tcp_nodelay": True}
if int(replicas):
    behaviors["num_replicas"] = int(replicas)
client = pylibmc.Client(servers, binary=True, behaviors=behaviors)
keys = [f"session:{number:032}" for number in range(1_000)]
value = b"x" * 100
stored = 0
for line in sys.stdin:
    for _ in range(int(line)):
        if not client.set(keys[stored % len(keys)], value, time=3600):
            raise SystemExit("a session was not stored")
        stored += 1
    print("done", flush=True)
