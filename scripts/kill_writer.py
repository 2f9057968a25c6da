"""A process of scripts/kill that writes to a node, and compares what is there afterwards."""
import gc, random, signal, time

from kill_knowledge import Flight, Knowledge
from kill_peer import Batch, Gone, Peer
from kill_values import STEP, name

BATCH = 100
WINDOW = 2


class Writer(Knowledge):
    """Writes to its part of the universe, and keeps what it knows of it up to date."""

    # The node's clock has whole seconds: it may be up to one early.
    SLACK_SECONDS = 1.0

    def __init__(self, options, number):
        super().__init__(options, range(number, options.keys, options.writers))
        self.source = random.Random(f"{options.seed} {number}")
        self.peer_count = options.connections
        self.peers = []

    # Writing

    def connect(self, port):
        self.peers = [Peer(port, number) for number in range(self.peer_count)]

    def write(self):
        """Writes on the connections that were made until the node is gone."""
        peers = list(self.peers)
        while peers:
            for peer in list(peers):
                try:
                    if self.source.random() < 0.01:
                        self.finish(peer, 0)
                        self.read_back(peer)
                    self.send(peer, self.changes(peer.number))
                    self.finish(peer, WINDOW - 1)
                except Gone:
                    peer.drain()
                    peers.remove(peer)
        died = time.monotonic()
        for peer in self.peers:
            self.settle(peer, died)

    def fill(self, port):
        """Stores whatever is not there."""
        self.connect(port)
        for peer in self.peers:
            missing = (place for place in range(peer.number, len(self.keys), self.peer_count)
                       if not self.version[place])
            while places := [place for _, place in zip(range(BATCH), missing)]:
                self.send(peer, [("set", place, 0) for place in places])
                self.finish(peer, WINDOW - 1)
            self.finish(peer, 0)
            peer.socket.close()

    def flushed(self):
        self.version = [0] * len(self.keys)
        self.span.clear()

    def changes(self, number):
        """Some commands: what to do, a key's place, an exptime."""
        chance, count = self.source.random, len(self.keys) // self.peer_count
        keys, span = self.keys, self.span
        result = []
        while len(result) < BATCH:
            place = number + self.peer_count * int(chance() * count)
            draw = chance()
            if place in span:
                # Most are left alone until they expire.
                if draw < 0.2:
                    result.append(("set", place, 0))
            elif keys[place] % 64 == 0 and draw < 0.8:
                result.append(("incr" if self.version[place] else "set", place, 0))
            elif draw < 0.80:
                result.append(("set", place, 0))
            elif draw < 0.88:
                result.append(("delete", place, 0))
            elif draw < 0.95:
                result.append(("touch", place, 86_400))
            else:
                result.append(("set" if draw < 0.98 else "touch", place,
                               self.source.choice((1, 2, 3, 5, 10, 30))))
                # Its state is another one from here on; no second command in this batch.
                span[place] = span.get(place)
        return result

    def send(self, peer, commands):
        sent = time.monotonic()
        parts, expected, changes = [], [], []
        for verb, place, exptime in commands:
            key, old, old_span = self.keys[place], self.version[place], self.span.get(place)
            new, new_span = old, old_span
            if verb == "set":
                new = self.latest[place] = self.latest[place] + 1
                value = self.values.value(key, new)
                parts.append(b"set %s %d %d %d\r\n%s\r\n" % (
                    name(key), self.values.flags(key, new), exptime or 86_400, len(value), value))
                expected.append(b"STORED\r\n")
                new_span = None
            elif verb == "delete":
                parts.append(b"delete %s\r\n" % name(key))
                expected.append(b"DELETED\r\n" if old else b"NOT_FOUND\r\n")
                new = 0
            elif verb == "touch":
                parts.append(b"touch %s %d\r\n" % (name(key), exptime))
                expected.append(b"TOUCHED\r\n" if old else b"NOT_FOUND\r\n")
            elif old:
                new = self.latest[place] = self.latest[place] + 1
                parts.append(b"incr %s %d\r\n" % (name(key), (new - old) * STEP))
                expected.append(b"%d\r\n" % (new * STEP))
            else:
                parts.append(b"incr %s 1\r\n" % name(key))
                expected.append(b"NOT_FOUND\r\n")
            if exptime and exptime < 86_400 and new:
                new_span = (sent + exptime - self.SLACK_SECONDS,
                            sent + exptime + self.SLACK_SECONDS)
            changes.append((place, old, old_span, new, new_span))
            self.version[place] = new
            if new_span:
                self.span[place] = new_span
            else:
                self.span.pop(place, None)
        peer.pending.append(Batch(changes, expected, sent))
        peer.send(b"".join(parts))

    def finish(self, peer, left):
        """Receives replies until only `left` batches are without."""
        while len(peer.pending) > left:
            batch = peer.pending[0]
            count = len(batch.expected)
            while peer.buffer.count(b"\n") < count:
                peer.receive()
            self.acknowledge(peer, batch, count)

    def acknowledge(self, peer, batch, count):
        """Takes note of the first `count` replies of the oldest batch."""
        self.delay = max(self.delay, time.monotonic() - batch.sent)
        expected = b"".join(batch.expected[:count])
        if peer.buffer.startswith(expected):
            del peer.buffer[:len(expected)]
        else:
            for place in range(count):
                self.acknowledge_one(peer, batch.changes[place], batch.expected[place])
        self.writes += count
        del batch.expected[:count], batch.changes[:count]
        if not batch.expected:
            peer.pending.pop(0)

    def acknowledge_one(self, peer, change, expected):
        end = peer.buffer.index(b"\n") + 1
        reply = bytes(peer.buffer[:end])
        del peer.buffer[:end]
        if reply == expected:
            return
        place, _, _, new, _ = change
        if not self.full or reply != b"NOT_FOUND\r\n":
            self.fault("replies", f"{name(self.keys[place])}: {reply} instead of {expected}")
        elif self.version[place] == new:
            # Evicted; a later command may know better already.
            self.version[place] = 0
            self.span.pop(place, None)

    def read_back(self, peer):
        """Reads some keys with nothing in flight, which may prove them, and compares."""
        places = [peer.number + self.peer_count * self.source.randrange(
            len(self.keys) // self.peer_count) for _ in range(20)]
        self.compare(peer, places, {})

    # Comparing

    def settle(self, peer, died):
        """Counts the replies that came, and keeps what is in flight."""
        self.delay = max([self.delay] + [died - batch.sent for batch in peer.pending])
        while peer.pending and (lines := peer.buffer.count(b"\n")):
            batch = peer.pending[0]
            self.acknowledge(peer, batch, min(lines, len(batch.expected)))
        if peer.buffer and peer.pending and not peer.pending[0].expected[0].startswith(
                bytes(peer.buffer)) and not self.full:
            self.fault("replies", f"a reply begins with {bytes(peer.buffer[:80])}")
        peer.in_flight = [change for batch in peer.pending for change in batch.changes]
        self.uncertain += len(peer.in_flight)

    def verify(self, port):
        """Reads the whole universe and compares it."""
        before = self.peers
        self.connect(port)
        for old, peer in zip(before, self.peers):
            flight = Flight(old.in_flight)
            places = list(range(peer.number, len(self.keys), self.peer_count))
            for start in range(0, len(places), 50):
                self.compare(peer, places[start:start + 50], flight.states, flight)
            if flight.first > flight.last and not self.full:
                self.fault("order", f"command {flight.first} in flight was done, and command "
                                    f"{flight.last + 1} was not")
            peer.socket.close()


def serve(writer_options, number, pipe):
    """A writer's process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()
    writer = Writer(writer_options, number)
    while True:
        command, *arguments = pipe.recv()
        if command == "stop":
            return
        getattr(writer, command)(*arguments)
        pipe.send(writer.report())
