"""What scripts/cluster-kill asks of a cluster: people who are logged in, and bots who never come back.

Called with JSON: kind (people or bots), the places to ask, whether each key has one of them (is_list), how many, how
many requests a second, a seed. Says "ready" when all people have logged in, waits for a line, and works until its standard
input ends. Then people look once more, each of them, and it writes what it has seen as JSON and ends.

What people know of their sessions, and do, is in people.py.
"""
import json, os, random, select, socket, sys, threading, time, zlib

from people import UNSEEN, People

CONNECT_SECONDS = 1
PATIENCE_SECONDS = 3
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


class Text:
    """How people ask in the text protocol, by any place."""

    def __init__(self, wish, places):
        self.value_bytes, self.places = wish["value_bytes"], places
        self.name = f"session:{wish['seed']}".encode()

    def key(self, person):
        return b"%s:%d" % (self.name, person)

    def place(self, _):
        return self.places.place[0]

    def look(self, person, renews):
        key = self.key(person)
        reply = self.places.ask(key, b"%s %s\r\n" % (b"gat 86400" if renews else b"get", key), is_retrieval)
        if not reply.endswith(b"END\r\n"):
            raise OSError(reply)
        return None if reply == b"END\r\n" else int(reply.split(b"\r\n", 1)[1].split(b":", 1)[0])

    def write(self, person, number, _):
        text = b"%d:" % number
        value = text + b"v" * (self.value_bytes - len(text))
        key = self.key(person)
        reply = self.places.ask(key, b"set %s 0 86400 %d\r\n%s\r\n" % (key, len(value), value), is_line)
        if reply != b"STORED\r\n":
            raise OSError(reply)
        return UNSEEN

    def logout(self, person):
        key = self.key(person)
        reply = self.places.ask(key, b"delete %s\r\n" % key, is_line)
        if reply not in (b"DELETED\r\n", b"NOT_FOUND\r\n"):
            raise OSError(reply)


class Visitors(People):
    """People of whose requests the slow ones and those that failed are kept."""

    def __init__(self, wish, places, source):
        super().__init__(wish["count"], wish["rate"], Text(wish, places), source)
        self.seen |= {"people": self.count, "visited": 0, **self.none()}

    @staticmethod
    def none():
        return {"requests": 0, "errors": [], "slow": []}

    def login(self):
        super().login()
        self.seen |= self.none()

    def noted(self, begin, end, has_failed):
        if has_failed:
            self.seen["errors"].append([begin, end])
            self.door.places.drop()
        self.seen["requests"] += 1
        if end - begin > SLOW_SECONDS:
            self.seen["slow"].append([begin, end])

    def end(self):
        super().end()
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

    def work(self):
        begin = time.monotonic()
        while not self.is_ending():
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
    load = {"people": Visitors, "bots": Bots}[wish["kind"]](wish, places, source)
    load.login()
    print("ready", flush=True)
    sys.stdin.readline()
    ended = threading.Event()

    def wait():
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    load.is_ending = ended.is_set
    load.work()
    load.end()
    print(json.dumps(load.seen), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
