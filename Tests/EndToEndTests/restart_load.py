"""People who are logged in while nodes are restarted, by pylibmc: restart_load.py HOST:PORT

They change what is in their carts, log out and log in again, and look. Says "ready" when all are logged in, works until
its standard input ends, and tells then how many requests there were, and what was wrong.
"""

import random
import select
import sys

import pylibmc

PEOPLE = 100

# A kept connection, with the time-outs that the pages of clients say.
client = pylibmc.Client(
    sys.argv[1:], behaviors={"connect_timeout": 1_000, "receive_timeout": 1_000_000, "send_timeout": 1_000_000}
)
source = random.Random(5)
known = {f"python:{number}": None for number in range(PEOPLE)}
requests, errors, wrong = 0, [], []


def ask(what, *arguments):
    global requests
    requests += 1
    try:
        return getattr(client, what)(*arguments)
    except pylibmc.Error as error:
        errors.append(f"{what}: {error}")
        return error


def change(key):
    value = f"cart {requests}"
    known[key] = value if ask("set", key, value, 3_600) is True else ...


def visit(key):
    choice = source.random()
    if choice < 0.3 or known[key] is None:
        return change(key)
    if choice < 0.35:
        known[key] = None if ask("delete", key) in (True, False) else ...
    seen = ask("get", key)
    if known[key] is not ... and not isinstance(seen, pylibmc.Error) and seen != known[key]:
        wrong.append(f"{key}: {seen!r} instead of {known[key]!r}")


for key in known:
    change(key)
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    visit(source.choice(list(known)))
print(f"{requests} requests, {len(errors)} errors, {len(wrong)} wrong", *errors[:3], *wrong[:3], flush=True)
