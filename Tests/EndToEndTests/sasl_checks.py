"""Holds a client of the binary protocol that logs in by SASL against a node with the user app, password secret:
sasl_checks.py bmemcached|pylibmc HOST:PORT

Ends with status 0 and the number of checks, or with the first check that failed.
"""

import sys

from checking import check, tell_count


def bmemcached_client(address, password):
    import bmemcached

    return bmemcached.Client((address,), "app", password)


def pylibmc_client(address, password):
    import pylibmc

    return pylibmc.Client([address], binary=True, username="app", password=password)


def is_refused(client):
    """Both clients tell it by an exception; which one is theirs."""
    try:
        client.set("k", "stolen")
    except Exception:
        return True
    return False


def main():
    make = {"bmemcached": bmemcached_client, "pylibmc": pylibmc_client}[sys.argv[1]]
    address = sys.argv[2]
    right = make(address, "secret")
    check("set", bool(right.set("k", "value")), True)
    check("get", right.get("k"), "value")
    check("a wrong password", is_refused(make(address, "wrong")), True)
    check("get after somebody else's failure", right.get("k"), "value")
    check("get by another connection", make(address, "secret").get("k"), "value")
    tell_count()


main()
