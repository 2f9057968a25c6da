"""Where libmemcached puts keys, as the installed pylibmc says.

  pylibmc_placement.py place BEHAVIOR COUNT HOST:PORT:WEIGHT...   prints each key's index, one character each
  pylibmc_placement.py store BEHAVIOR COUNT HOST:PORT:WEIGHT...   stores each key, its value being itself

Keys are key:0, key:1, ... BEHAVIOR is ketama_weighted, consistent or modula.
"""
import string
import sys

import pylibmc

DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
BEHAVIORS = {
    "ketama_weighted": {"ketama_weighted": True},
    "consistent": {"distribution": "consistent"},
    "modula": {"distribution": "modula"},
}

action, behavior, count, *servers = sys.argv[1:]
client = pylibmc.Client(servers, behaviors=BEHAVIORS[behavior])
keys = ["key:%d" % number for number in range(int(count))]
if action == "place":
    print("".join(DIGITS[client.hash(key.encode())] for key in keys))
elif action == "store":
    failed = client.set_multi({key: key for key in keys})
    assert not failed, failed
else:
    sys.exit("unknown action " + action)
