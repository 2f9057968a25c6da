"""What scripts/cluster-kill asks of a cluster: people who are logged in, and bots who never come back.

Called with JSON: kind (people or bots), the places to ask, whether each key has one of them (is_list), how many, how
many requests a second, a seed. Says "ready" when all people have logged in, waits for a line, and works until its standard
input ends. Then people look once more, each of them, and it writes what it has seen as JSON and ends.

A person knows what the cluster has said. A change that was not answered may still come, for as long as members try: for
some seconds nothing is known of that session, whatever else is said of it.
"""
import collections, json, os, random, select, socket, sys, threading, time, zlib

CONNECT_SECONDS = 1
PATIENCE_SECONDS = 3
# What was sent to a member that was stopped is carried out when it goes on, though nobody waits for it any more: so much
# longer than the longest stop.
DOUBT_SECONDS = 40
# By a second visit of that age it is known that a session is no bot's.
PROOF_SECONDS = 2.5
SLOW_SECONDS = 0.2


class Places:
    """A connection to each of several places. A request goes to one at random, and to the next one where that refuses,
    as if all had one name; or, as by a list, to the one that has the key."""

    def __init__(self, places, source, is_list):
        self.places, self.source, self.is_list = places, source, is_list
        self.peers = {}
        # Of the last request.
        self.place = None

    def connection(self, key):
        if self.is_list:
            order = [self.places[zlib.crc32(key) % len(self.places)]]
        else:
            order = self.source.sample(self.places, len(self.places))
        for number, place in enumerate(order):
            self.place = place
            try:
                # One that has ended since it was used is made anew, as clients do.
                if place in self.peers and select.select([self.peers[place]], [], [], 0)[0]:
                    self.drop()
                if place not in self.peers:
                    peer = socket.create_connection(place, timeout=CONNECT_SECONDS)
                    peer.settimeout(PATIENCE_SECONDS)
                    self.peers[place] = peer
                return self.peers[place]
            except OSError:
                if number == len(order) - 1:
                    raise

    def ask(self, key, command, is_whole):
        peer = self.connection(key)
        peer.sendall(command)
        reply = b""
        while not is_whole(reply):
            part = peer.recv(65536)
            if not part:
                raise OSError("closed")
            reply += part
        return reply

    def drop(self):
        """After an error: nobody knows what else would come on that connection."""
        if peer := self.peers.pop(self.place, None):
            peer.close()


def is_line(reply):
    return reply.endswith(b"\r\n")


def is_retrieval(reply):
    return reply.endswith((b"END\r\n", b"ERROR\r\n"))


class People:
    """Sessions that are read, written, renewed, ended and begun again, each by one person who comes by any place."""

    def __init__(self, wish, places, source):
        self.count, self.value_bytes, self.rate = wish["count"], wish["value_bytes"], wish["rate"]
        self.source, self.places = source, places
        self.name = f"session:{wish['seed']}".encode()
        # The number in the session; None: logged out; missing: not known.
        self.known = {}
        # Of whom a change was not answered, and when.
        self.doubted = {}
        # Who has just logged in, and when he comes again.
        self.new = collections.deque()
        # Whose session nobody has read back when it was old enough: a flood may take it, on one node as on several.
        self.unproven = {}
        self.visited = set()
        self.seen = {"requests": 0, "people": self.count, "visited": 0, "early": 0, "out": [], "back": [], "stale": [],
                     "errors": [], "slow": []}

    def key(self, person):
        return b"%s:%d" % (self.name, person)

    def login(self):
        for person in range(self.count):
            self.write(person, 0)
        time.sleep(PROOF_SECONDS)
        for person in range(self.count):
            self.read(person)
        self.new.clear()

    def write(self, person, number):
        text = b"%d:" % number
        value = text + b"v" * (self.value_bytes - len(text))
        if self.known.pop(person, None) is None:
            self.new.append((time.monotonic() + PROOF_SECONDS, person))
            self.unproven[person] = time.monotonic()
        key = self.key(person)
        reply = self.places.ask(key, b"set %s 0 86400 %d\r\n%s\r\n" % (key, len(value), value), is_line)
        if reply != b"STORED\r\n":
            raise OSError(reply)
        self.learn(person, number)

    def learn(self, person, state):
        if time.monotonic() > self.doubted.get(person, 0) + DOUBT_SECONDS:
            self.known[person] = state

    def logout(self, person):
        self.known.pop(person, None)
        key = self.key(person)
        reply = self.places.ask(key, b"delete %s\r\n" % key, is_line)
        if reply not in (b"DELETED\r\n", b"NOT_FOUND\r\n"):
            raise OSError(reply)
        self.learn(person, None)

    def read(self, person, verb=b"get"):
        key = self.key(person)
        reply = self.places.ask(key, b"%s %s\r\n" % (verb, key), is_retrieval)
        if not reply.endswith(b"END\r\n"):
            raise OSError(reply)
        if person not in self.known:
            return
        told = self.known[person]
        found = None if reply == b"END\r\n" else int(reply.split(b"\r\n", 1)[1].split(b":", 1)[0])
        if found == told:
            if time.monotonic() > self.unproven.get(person, 0) + PROOF_SECONDS:
                self.unproven.pop(person, None)
            return
        if found is None and person in self.unproven:
            self.seen["early"] += 1
            self.known.pop(person)
            return
        kind = "out" if found is None else "back" if told is None else "stale"
        self.seen[kind].append([time.monotonic(), person, told, found, self.places.place[0]])
        # Each is counted once.
        self.known.pop(person)

    def visit(self, number):
        """One request, by anybody; or by who has logged in some seconds ago, to prove it."""
        if self.new and self.new[0][0] < time.monotonic():
            person, choice = self.new.popleft()[1], 0.0
        else:
            person, choice = self.source.randrange(self.count), self.source.random()
        self.visited.add(person)
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
            if choice >= 0.75:
                self.known.pop(person, None)
                self.doubted[person] = time.monotonic()
            raise

    def timed(self, work, *arguments):
        begin = time.monotonic()
        try:
            work(*arguments)
        except OSError:
            self.seen["errors"].append([begin, time.monotonic()])
            self.places.drop()
        self.seen["requests"] += 1
        if time.monotonic() - begin > SLOW_SECONDS:
            self.seen["slow"].append([begin, time.monotonic()])

    def work(self, goes_on):
        begin = time.monotonic()
        number = 0
        while goes_on():
            early = begin + number / self.rate - time.monotonic()
            if early > 0:
                time.sleep(early)
            number += 1
            self.timed(self.visit, number)

    def end(self):
        """Everybody looks once more: also who was not asked since the last fault."""
        for person in list(self.known):
            self.timed(self.read, person)
        self.seen["visited"] = len(self.visited)


class Bots:
    """Each gets a session, and never comes back. They come by twenties."""

    def __init__(self, wish, places, source):
        self.rate, self.seed = wish["rate"], wish["seed"]
        self.places = places
        self.value = b"b" * wish["value_bytes"]
        self.seen = {"requests": 0, "errors": 0}

    def login(self):
        pass

    def work(self, goes_on):
        begin = time.monotonic()
        while goes_on():
            number = self.seen["requests"]
            early = begin + number / self.rate - time.monotonic()
            if early > 0:
                time.sleep(min(early, 0.1))
                continue
            try:
                keys = [b"bot:%d:%d" % (self.seed, number + place) for place in range(20)]
                self.places.ask(
                    keys[0], b"".join(b"set %s 0 1209600 %d\r\n%s\r\n" % (key, len(self.value), self.value)
                                      for key in keys), lambda reply: reply.count(b"\r\n") == 20)
            except OSError:
                self.seen["errors"] += 1
                self.places.drop()
            self.seen["requests"] += 20

    def end(self):
        pass


def main():
    wish = json.loads(sys.argv[1])
    source = random.Random(wish["seed"])
    places = Places([tuple(place) for place in wish["places"]], source, wish["is_list"])
    load = {"people": People, "bots": Bots}[wish["kind"]](wish, places, source)
    load.login()
    print("ready", flush=True)
    sys.stdin.readline()
    ended = threading.Event()

    def wait():
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    load.work(lambda: not ended.is_set())
    load.end()
    print(json.dumps(load.seen), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
