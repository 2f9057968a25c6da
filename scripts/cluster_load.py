"""What scripts/cluster-kill asks of a cluster: people who are logged in, and bots who never come back.

Called with JSON: kind (people or bots), the places to ask, how many, a seed. Says "ready" when all people have logged
in, waits for a line, and works until its standard input ends; then writes what it has seen as JSON and ends.

A person knows what the cluster has said. A change that was not answered may still come, for as long as members try: for
some seconds nothing is known of that session, whatever else is said of it.
"""
import json, os, random, socket, sys, threading, time

PATIENCE_SECONDS = 3
DOUBT_SECONDS = 5


class Asker:
    """One connection at a time, to a place of several; the next one is asked when it fails, as clients do."""

    def __init__(self, places, source):
        self.places, self.source, self.peer = places, source, None

    def ask(self, command, ends):
        if self.peer is None:
            self.connect()
        self.peer.sendall(command)
        reply = b""
        while not reply.endswith(ends):
            part = self.peer.recv(65536)
            if not part:
                raise OSError("closed")
            reply += part
        return reply

    def connect(self):
        places = self.source.sample(self.places, len(self.places))
        for number, place in enumerate(places):
            try:
                self.peer = socket.create_connection(place, timeout=PATIENCE_SECONDS)
                return
            except OSError:
                if number == len(places) - 1:
                    raise

    def drop(self):
        if self.peer:
            self.peer.close()
        self.peer = None


class People:
    """Sessions that are read, written, renewed, ended and begun again, each by one person who comes by any place."""

    def __init__(self, places, count, seed, value_bytes):
        self.count, self.value_bytes = count, value_bytes
        self.source = random.Random(seed)
        self.asker = Asker(places, self.source)
        self.name = f"session:{seed}"
        # The number in the session; None: logged out; missing: not known.
        self.known = {}
        # Of whom a change was not answered, and when.
        self.doubted = {}
        self.seen = {"requests": 0, "out": [], "back": [], "stale": [], "errors": 0, "longest": 0.0}

    def value(self, number):
        text = f"{number}:".encode()
        return text + b"v" * (self.value_bytes - len(text))

    def login(self):
        for person in range(self.count):
            self.write(person, 0)
        # By the second visit it is known that it is no bot's.
        time.sleep(2.5)
        for person in range(self.count):
            self.read(person)

    def write(self, person, number):
        value = self.value(number)
        self.known.pop(person, None)
        reply = self.asker.ask(b"set %s:%d 0 86400 %d\r\n%s\r\n" % (self.name.encode(), person, len(value), value),
                               b"\r\n")
        if reply == b"STORED\r\n":
            self.learn(person, number)

    def learn(self, person, state):
        if time.monotonic() > self.doubted.get(person, 0) + DOUBT_SECONDS:
            self.known[person] = state

    def logout(self, person):
        self.known.pop(person, None)
        if self.asker.ask(b"delete %s:%d\r\n" % (self.name.encode(), person), b"\r\n") in (
                b"DELETED\r\n", b"NOT_FOUND\r\n"):
            self.learn(person, None)

    def read(self, person, verb=b"get"):
        reply = self.asker.ask(b"%s %s:%d\r\n" % (verb, self.name.encode(), person), (b"END\r\n", b"ERROR\r\n"))
        if person not in self.known:
            return
        told = self.known[person]
        found = None if reply == b"END\r\n" else int(reply.split(b"\r\n", 1)[1].split(b":", 1)[0])
        if found == told:
            return
        kind = "out" if found is None else "back" if told is None else "stale"
        self.seen[kind].append([time.monotonic(), person, told, found])
        # Each is counted once.
        self.known.pop(person)

    def work(self, goes_on):
        number = 0
        while goes_on():
            number += 1
            person = self.source.randrange(self.count)
            choice = self.source.random()
            begin = time.monotonic()
            try:
                if choice < 0.65:
                    self.read(person)
                elif choice < 0.75:
                    self.read(person, b"gat 86400")
                elif choice < 0.97:
                    self.write(person, number)
                else:
                    self.logout(person)
            except OSError:
                self.seen["errors"] += 1
                self.asker.drop()
                if choice >= 0.65:
                    self.known.pop(person, None)
                    self.doubted[person] = time.monotonic()
            self.seen["requests"] += 1
            self.seen["longest"] = max(self.seen["longest"], time.monotonic() - begin)


class Bots:
    """Each gets a session, and never comes back."""

    def __init__(self, places, count, seed, value_bytes):
        self.rate = count
        self.source = random.Random(seed)
        self.asker = Asker(places, self.source)
        self.value = b"b" * value_bytes
        self.seed = seed
        self.seen = {"requests": 0, "errors": 0}

    def login(self):
        pass

    def work(self, goes_on):
        begin = time.monotonic()
        while goes_on():
            number = self.seen["requests"]
            late = number - (time.monotonic() - begin) * self.rate
            if late > 0:
                time.sleep(min(late / self.rate, 0.1))
                continue
            try:
                # A cluster that does not come after them is a cluster under a flood.
                commands = b"".join(
                    b"set bot:%d:%d 0 1209600 %d\r\n%s\r\n" % (self.seed, number + place, len(self.value), self.value)
                    for place in range(20))
                if self.asker.peer is None:
                    self.asker.connect()
                self.asker.peer.sendall(commands)
                reply = b""
                while reply.count(b"\r\n") < 20:
                    part = self.asker.peer.recv(65536)
                    if not part:
                        raise OSError("closed")
                    reply += part
            except OSError:
                self.seen["errors"] += 1
                self.asker.drop()
            self.seen["requests"] += 20


def main():
    wish = json.loads(sys.argv[1])
    kind = {"people": People, "bots": Bots}[wish["kind"]]
    load = kind([tuple(place) for place in wish["places"]], wish["count"], wish["seed"], wish["value_bytes"])
    load.login()
    print("ready", flush=True)
    sys.stdin.readline()
    ended = threading.Event()

    def wait():
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    load.work(lambda: not ended.is_set())
    print(json.dumps(load.seen), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
