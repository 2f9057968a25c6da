"""A connection of scripts/kill, and what is in flight on it."""
import socket


class Gone(Exception):
    """The node closed the connection, or died."""


class Peer:
    """A connection, and what was sent over it and is not acknowledged yet."""

    def __init__(self, port, number):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.number = number
        self.buffer = bytearray()
        self.pending = []

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            raise Gone

    def receive(self):
        try:
            part = self.socket.recv(1 << 20)
        except OSError:
            part = b""
        if not part:
            raise Gone
        self.buffer += part

    def drain(self):
        """Receives what the node still sent before it died."""
        try:
            while True:
                self.receive()
        except Gone:
            self.socket.close()

    def values(self):
        """The reply to `gets`: flags, unique and value by key name. Values are counted, not
        searched: they may contain anything."""
        found, start = {}, 0
        while True:
            end = self.buffer.find(b"\r\n", start)
            if end < 0:
                self.receive()
                continue
            words = bytes(self.buffer[start:end]).split()
            if words == [b"END"]:
                del self.buffer[:end + 2]
                return found
            if len(words) != 5 or words[0] != b"VALUE":
                raise SystemExit(f"kill: a reply that is none: {words}")
            stop = end + 2 + int(words[3])
            while len(self.buffer) < stop + 2:
                self.receive()
            found[words[1]] = (int(words[2]), int(words[4]), bytes(self.buffer[end + 2:stop]))
            start = stop + 2


class Batch:
    """Commands in one piece, and for each the key's state before and after."""

    def __init__(self, changes, expected, sent):
        self.changes = changes
        self.expected = expected
        self.sent = sent
