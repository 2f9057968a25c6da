"""Holds PHP's sessions, unmodified, against nodes: php_checks.py PART BINARY [FLAG ...]

BINARY is a sojournd or a memcached, and is started with the flags. Ends with status 0 and the number of
checks, or with the first check that failed. Parts: see PARTS.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts"))
sys.dont_write_bytecode = True

from checking import check, tell_count  # noqa: E402
from php_server import KINDS, PHPServer, Visitor, at_once, place  # noqa: E402

from support import Node, received  # noqa: E402

# The time in which a session that nobody uses ends, where a check waits for it.
IDLE_SECONDS = 3
PATIENT_LOCKS = {"memcached.sess_lock_retries": 1000, "memcached.sess_lock_wait_min": 5,
                 "memcached.sess_lock_wait_max": 20}


class LastingNode(Node):
    """A node with a loopback address of its own, so that nobody takes its place while it is dead."""

    def __init__(self, binary, flags):
        self.host, self.port = place()
        user = ["-u", "root"] if os.geteuid() == 0 else []
        self.arguments = [binary, "-l", self.host, "-p", str(self.port), *flags, *user]
        self.command = " ".join(self.arguments)
        self.run()

    def run(self):
        self.start = time.monotonic()
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *self.arguments], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        Node.started.append(self)
        self.wait()

    def connect(self):
        return socket.create_connection((self.host, self.port))

    def kill(self):
        self.process.kill()
        self.process.wait()

    def value(self, key):
        """What any other client finds there."""
        with self.connect() as peer:
            peer.sendall(f"get {key}\r\nmn\r\n".encode())
            data = b""
            while not data.endswith(b"MN\r\n"):
                data += received(peer)
        return data.split(b"\r\n", 1)[1] if data.startswith(b"VALUE ") else None

    @property
    def place(self):
        return self.host, self.port

    def count(self, name):
        return int(self.stats()[name])


def fine(name, answer, **wanted):
    """A page that came as it should, PHP having nothing to complain of."""
    check(f"{name}: complaints", answer["complaints"], [])
    check(f"{name}: status", answer["status"], 200)
    for key, value in wanted.items():
        check(f"{name}: {key}", answer[key], value)
    return answer


def check_visits(kind, server, node):
    """One person logs in, shops, logs out; another one is not disturbed."""
    # php-memcache does not give the lock of such a page back, and the next one waits for 15 s.
    read = "read" if kind.startswith("memcached-") else "look"
    ann, bob = Visitor(server), Visitor(server)
    first = fine(f"{kind}: a stranger", ann.ask("look"), user=None, cart=[])
    check(f"{kind}: a stranger has a cookie", ann.cookie is not None, True)
    fine(f"{kind}: the same", ann.ask("look"), id=first["id"], cookie=None)
    fine(f"{kind}: an item", ann.ask("add", item="tea"), cart=["tea"])
    fine(f"{kind}: Bob", bob.ask("add", item="cups"), cart=["cups"])
    old = ann.cookie
    login = fine(f"{kind}: a login", ann.ask("login", user="ann"), user="ann", cart=["tea"])
    check(f"{kind}: a login has a new ID", login["id"] != first["id"] and ann.cookie != old, True)
    fine(f"{kind}: the old ID", Visitor(server, cookie=old).ask(read), user=None, cart=[])
    fine(f"{kind}: logged in", ann.ask("look"), user="ann", id=login["id"], cookie=None)
    fine(f"{kind}: read only", ann.ask(read), user="ann", cart=["tea"])
    for number in range(5):
        answer = fine(f"{kind}: items", ann.ask("add", item=f"item-{number}"))
    check(f"{kind}: the cart", answer["cart"], ["tea"] + [f"item-{n}" for n in range(5)])
    for count in (16, 1_984, 2_000, 16_384, 100_000, 900_000):
        size = count // 16 * 16
        filled = fine(f"{kind}: {count} bytes", ann.ask("fill", bytes=count))["fill"]
        check(f"{kind}: {count} bytes", filled[0], size)
        fine(f"{kind}: {count} bytes again", ann.ask("look"), fill=filled, user="ann")
    fine(f"{kind}: a logout", ann.ask("logout"))
    fine(f"{kind}: after the logout", ann.ask(read), user=None, cart=[])
    fine(f"{kind}: Bob still", bob.ask("look"), user=None, cart=["cups"])


def check_strict(kind, node):
    with PHPServer(kind, [node.place], {"session.use_strict_mode": 1}) as server:
        ann = Visitor(server)
        known = fine(f"{kind}: strict", ann.ask("login", user="ann"), user="ann")["id"]
        fine(f"{kind}: strict, known", ann.ask("look"), user="ann", id=known, cookie=None)
        forged = "0123456789abcdef0123456789"
        guest = Visitor(server, cookie=f"PHPSESSID={forged}")
        answer = fine(f"{kind}: strict, unknown", guest.ask("look"), user=None)
        check(f"{kind}: strict, another ID", answer["id"] not in (forged, known), True)
        fine(f"{kind}: strict, its own", guest.ask("look"), id=answer["id"], cookie=None)
        # An ID that was asked for is none that is there.
        check(f"{kind}: strict, nothing stored", node.value(f"memc.sess.key.{forged}"), None)
        check(f"{kind}: strict, stored", node.value(f"memc.sess.key.{known}") is None, False)


def check_lazy(kind, server, node):
    """What was not changed is not written: its time is renewed."""
    ann = Visitor(server)
    ann.ask("login", user="ann")
    before = node.stats()
    fine(f"{kind}: unchanged", ann.ask("look"), user="ann")
    after = node.stats()
    moved = {name: int(after[name]) - int(before[name]) for name in ("cmd_set", "cmd_touch")}
    # The lock is a store; the session is none.
    check(f"{kind}: unchanged", moved, {"cmd_set": 1, "cmd_touch": 1})
    fine(f"{kind}: changed", ann.ask("add", item="tea"), cart=["tea"])
    changed = int(node.stats()["cmd_set"]) - int(after["cmd_set"])
    check(f"{kind}: changed", changed, 2)


def sessions(binary, flags):
    """Each of PHP's two extensions, with the binary protocol and without."""
    node = LastingNode(binary, flags)
    servers = {kind: PHPServer(kind, [node.place]).wait() for kind in KINDS}
    for kind, server in servers.items():
        check_visits(kind, server, node)
        if kind.startswith("memcached-"):
            check_strict(kind, node)
            check_lazy(kind, server, node)
    for server in servers.values():
        server.__exit__()
    # Who is asked no more leaves no lock behind. php-memcache keeps its own for 15 s.
    check("what is left", node.count("curr_items") < 40, True)


def idle(binary, flags):
    """A session that nobody uses ends; one that is used does not."""
    node = LastingNode(binary, flags)
    life = {"session.gc_maxlifetime": IDLE_SECONDS}
    servers = {kind: PHPServer(kind, [node.place], life).wait() for kind in KINDS}
    for _ in range(5):
        people = {}
        for kind, server in servers.items():
            people[kind] = Visitor(server), Visitor(server), Visitor(server)
            for person in people[kind]:
                fine(f"{kind}: a login", person.ask("login", user="ann"), user="ann")
        longest = visits(people)
        seen = {kind: [person.ask("look") for person in three] for kind, three in people.items()}
        # A second is the unit of times. Who could not come in time for the machine's sake may be out.
        if longest > IDLE_SECONDS - 1.1 and any(
                user["user"] is None for three in seen.values() for user in three[1:]):
            continue
        for kind, (idler, reader, writer) in seen.items():
            fine(f"{kind}: who was idle", idler, user=None)
            fine(f"{kind}: who read", reader, user="ann")
            fine(f"{kind}: who wrote", writer, user="ann", cart=["tea"] * 5)
        return
    sys.exit("the machine is too busy")


def visits(people):
    """Of three the second one reads and the third one writes, until the first was idle for too long.
    Returns the longest time between two visits."""
    longest, last = 0, time.monotonic()
    # memcached's clock may be a second late.
    for _ in range(5):
        time.sleep(IDLE_SECONDS * 0.28)
        for _, reader, writer in people.values():
            reader.ask("look")
            writer.ask("add", item="tea")
        longest = max(longest, time.monotonic() - last)
        last = time.monotonic()
    return longest


def together(servers, count=8):
    """One person's requests, all at the same moment: each has to find what the others did."""
    person = Visitor(*servers)
    fine("a login", person.ask("login", user="ann"), user="ann")
    answers = at_once([
        lambda number=number: servers[number % len(servers)].ask(
            person.cookie, do="add", item=f"item-{number}") for number in range(count)])
    return person, answers


def parallel(binary, flags):
    """Requests of one session at the same time, with PHP's locks: nothing is lost."""
    node = LastingNode(binary, flags)
    for kind in KINDS:
        settings = PATIENT_LOCKS if kind.startswith("memcached-") else {}
        with PHPServer(kind, [node.place], settings, workers=8) as server:
            for _ in range(2):
                person, answers = together([server])
                for answer in answers:
                    fine(f"{kind}: at once", answer, user="ann")
                cart = fine(f"{kind}: after all", person.ask("read"))["cart"]
                check(f"{kind}: the cart", sorted(cart), [f"item-{n}" for n in range(8)])
                check(f"{kind}: each found one more", sorted(
                    len(answer["cart"]) for answer in answers), list(range(1, 9)))


def holder(binary, flags):
    """Who dies while he holds a lock keeps it until it expires, and no longer."""
    node = LastingNode(binary, flags)

    def meet(kind):
        settings = {**PATIENT_LOCKS, "memcached.sess_lock_expire": 2}
        with (PHPServer(kind, [node.place], settings) as server,
              PHPServer(kind, [node.place], settings) as mortal):
            ann = Visitor(server)
            fine(f"{kind}: a login", ann.ask("login", user="ann"), user="ann")
            start = time.monotonic()
            try:
                mortal.ask(ann.cookie, do="die")
                sys.exit(f"{kind}: a page that dies answered")
            except OSError:
                pass
            fine(f"{kind}: after the holder's death", ann.ask("add", item="tea"), user="ann")
            return time.monotonic() - start

    kinds = ["memcached-binary", "memcached-text"]
    for kind, waited in zip(kinds, at_once([lambda kind=kind: meet(kind) for kind in kinds])):
        # A second is the unit of times, and some of it may be over.
        check(f"{kind}: waited for {waited:.2f} s", 0.9 < waited < 20, True)


def crowd(server, count=24):
    """People who are logged in, each with something in the cart."""
    people = [Visitor(server) for _ in range(count)]
    for number, person in enumerate(people):
        fine("a login", person.ask("login", user=f"p{number}"), user=f"p{number}")
        fine("an item", person.ask("add", item="tea"), cart=["tea"])
    return people


def looks(people, **query):
    """What each of them sees: `in` with so many items, `stranger`, or `error` if nothing can be said."""
    seen = []
    for number, person in enumerate(people):
        answer = person.servers[0].ask(person.cookie, **query)
        check("nobody is somebody else", answer["user"] in (None, f"p{number}"), True)
        check("the cookie stays", answer["cookie"] in (None, person.cookie), True)
        if not answer["started"]:
            seen.append("error")
        else:
            seen.append(f"in {len(answer['cart'])}" if answer["user"] else "stranger")
    return seen


def three(binary, flags, directory):
    memory = os.path.basename(binary) == "sojournd"
    return [LastingNode(binary, [*flags, *(["-e", f"{directory}/{name}"] if memory else [])])
            for name in "abc"]


def ring(binary, flags):
    """Three nodes: each has a share of the sessions, and one that dies takes only its own along."""
    for kind in ("memcached-binary", "memcached-text"):
        with tempfile.TemporaryDirectory() as directory:
            nodes = three(binary, flags, directory)
            places = [node.place for node in nodes]
            with PHPServer(kind, places) as one, PHPServer(kind, places) as other:
                people = crowd(one)
                shares = [node.count("curr_items") for node in nodes]
                check(f"{kind}: the sum of {shares}", sum(shares), 24)
                check(f"{kind}: the least of {shares}", min(shares) > 0, True)
                for person in people:
                    person.servers = [other]
                check(f"{kind}: another server", looks(people, do="look"), ["in 1"] * 24)
                nodes[1].kill()
                seen = looks(people, do="read")
                check(f"{kind}: only its own", set(seen), {"in 1", "error"})
                check(f"{kind}: some of {shares}", seen.count("error") >= shares[1], True)
                nodes[1].run()
                back = "in 1" if os.path.basename(binary) == "sojournd" else "stranger"
                again = looks(people, do="read")
                check(f"{kind}: back", again.count(back) >= shares[1], True)
                check(f"{kind}: no errors when it is back", "error" in again, False)
            for node in nodes:
                node.kill()


def replicas(binary, flags):
    """libmemcached's own replicas, which need the binary protocol."""
    settings = {
        "memcached.sess_number_of_replicas": 2, "memcached.sess_remove_failed_servers": 1,
        # Without it a session whose lock is on the dead node cannot be started.
        "memcached.sess_server_failure_limit": 1}
    is_ours = os.path.basename(binary) == "sojournd"
    for randomize in (0, 1):
        with tempfile.TemporaryDirectory() as directory:
            nodes = three(binary, flags, directory)
            with PHPServer("memcached-binary", [node.place for node in nodes], {
                    **settings, "memcached.sess_randomize_replica_read": randomize}) as server:
                people = crowd(server)
                for node in nodes:
                    check("all sessions on each", node.count("curr_items"), 24)
                leaver = Visitor(server)
                leaver.ask("login", user="x")
                key = "memc.sess.key." + leaver.cookie.split("=")[1]
                check("stored on each", [node.value(key) is None for node in nodes], [False] * 3)
                fine("a logout", leaver.ask("logout"))
                check("deleted on each", [node.value(key) for node in nodes], [None] * 3)
                nodes[1].kill()
                check("read while one is dead", looks(people, do="read"), ["in 1"] * 24)
                check("add while one is dead", looks(people, do="add", item="cups"), ["in 2"] * 24)
                check("saved while one is dead", looks(people, do="look"), ["in 2"] * 24)
                nodes[1].run()
                seen = looks(people, do="look")
                # It is believed: with what it kept, or without anything.
                check("back", set(seen) <= {"in 2", "in 1" if is_ours else "stranger"}, True)
                check("the others' stay", seen.count("in 2") > 0, True)
            for node in nodes:
                node.kill()


def timeouts(binary, flags):
    """A session that is viewed all the time is not idle, and ends at its absolute timeout."""
    idle_seconds, absolute_seconds = 3, 8
    rules = ["-o", f"idle={idle_seconds},absolute={absolute_seconds}"]
    for kind in KINDS:
        node = LastingNode(binary, flags + rules)
        with PHPServer(kind, [node.place]) as server:
            ann, bob = Visitor(server), Visitor(server)
            bob.ask("login", user="bob")
            ann.ask("login", user="ann")
            start = time.monotonic()
            last = 0
            while time.monotonic() - start < absolute_seconds + 2:
                # Views that change nothing, and views that save all of it.
                action = ("look", "write")[int(time.monotonic() * 10) % 2]
                if fine(f"{kind}: a view", ann.ask(action, count=1))["user"] == "ann":
                    last = time.monotonic() - start
                time.sleep(0.1)
            check(f"{kind}: it lived its time", absolute_seconds - 1.3 < last < absolute_seconds + 0.3, True)
            fine(f"{kind}: who was idle", bob.ask("look"), user=None)
            check(f"{kind}: counted", [node.count(f"expired_{name}") > 0 for name in ("idle", "absolute")], [True] * 2)
        node.kill()


def fence(binary, flags):
    """A page that still has a session brings it back after the logout, unless there is a fence."""
    for kind in ("memcached-text", "memcached-binary"):
        for rules, user in (([], "ann"), (["-o", "fence=1m"], None)):
            node = LastingNode(binary, flags + rules)
            with PHPServer(kind, [node.place], {"memcached.sess_locking": "Off"}, workers=4) as server:
                ann = Visitor(server)
                fine(f"{kind}: a login", ann.ask("login", user="ann"), user="ann")
                cookie = ann.cookie

                def leave():
                    time.sleep(0.4)
                    return ann.ask("logout")

                slow, logout = at_once([
                    lambda: Visitor(server, cookie=cookie).ask("hold", milliseconds=1_000), leave])
                fine(f"{kind}: the logout", logout)
                check(f"{kind}: the page that saves late", slow["held"], 1)
                check(f"{kind}: PHP is told", slow["complaints"] == [], bool(user))
                fine(f"{kind}: whose cookie it is", Visitor(server, cookie=cookie).ask("read"), user=user)
                if not user:
                    check(f"{kind}: counted", node.count("fenced") > 0, True)
                    fine(f"{kind}: another login", ann.ask("login", user="ann"), user="ann")
                    fine(f"{kind}: logged in", ann.ask("look"), user="ann")
            node.kill()


PARTS = {part.__name__: part for part in (
    sessions, idle, parallel, holder, ring, replicas, timeouts, fence)}


def main():
    PARTS[sys.argv[1]](sys.argv[2], sys.argv[3:])
    tell_count()


main()
