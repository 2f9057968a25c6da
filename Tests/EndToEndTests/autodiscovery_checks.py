"""Asks a node for its cluster, as clients of ElastiCache do: autodiscovery_checks.py HOST:PORT

The node's cluster has to be three nodes at HOST, none of which is called by a name, and the node itself
has to be one of them. Ends with status 0 and the number of checks, or with the first check that failed.
"""

import sys

import elasticache_auto_discovery
from pymemcache.client.base import Client
from pymemcache.client.hash import HashClient

from checking import check, tell_count


def main():
    address = sys.argv[1]
    host, port = address.rsplit(":", 1)
    found = elasticache_auto_discovery.discover(address, time_to_timeout=10)
    check("nodes that elasticache_auto_discovery finds", len(found), 3)
    check("their parts", [node[:2] for node in found], [[host.encode(), host.encode()]] * 3)
    check("the node itself", port.encode() in [node[2].strip() for node in found], True)

    # The steps of pymemcache's AWSElastiCacheHashClient; releases up to 4.0.0 come without it.
    client = Client((host, int(port)), timeout=10)
    *_, line = client.raw_command(
        b"config get cluster", end_tokens=b"\n\r\nEND\r\n").splitlines()
    client.close()
    servers = [tuple(node.split("|")[1:]) for node in line.decode().split(" ")]
    check("nodes that pymemcache finds", sorted(servers),
          sorted((node[1].decode(), node[2].decode().strip()) for node in found))
    ring = HashClient([(server, int(number)) for server, number in servers], timeout=10)
    for number in range(60):
        check("a ring's set", ring.set(f"key-{number}", b"x", noreply=False), True)
        check("a ring's get", ring.get(f"key-{number}"), b"x")
    used = [Client((server, int(number))).stats()[b"curr_items"] > 0 for server, number in servers]
    check("every node has items", used, [True, True, True])

    try:
        from pymemcache.client.ext.aws_ec_client import AWSElastiCacheHashClient
    except ImportError:
        print("this pymemcache has no AWSElastiCacheHashClient: only its steps were taken")
    else:
        follower = AWSElastiCacheHashClient(address, timeout=10)
        check("AWSElastiCacheHashClient's nodes", sorted(follower.clients),
              sorted(f"{server}:{number}" for server, number in servers))
        check("its get", follower.get("key-0"), b"x")
    tell_count()


main()
