"""Passes on what members of a cluster send each other, and stops that when it is told to, for scripts/cluster-kill.

Called with ways, each ONE,OTHER,HOST,PORT,PEER_PORT: who dials HOST at PORT reaches PEER_PORT there. Says "ready", and after each
line of its standard input, "cut ONE OTHER" or "mend ONE OTHER", once more. What is cut is not closed: nothing arrives,
as on a network that loses everything; it arrives when the way is mended. Ends when its input does.
"""
import os, selectors, socket, sys
from socket import IPPROTO_TCP, TCP_NODELAY

BUFFER_BYTES = 1 << 20
selector = selectors.DefaultSelector()


class Way:
    """Where one member dials the other."""

    def __init__(self, text):
        one, other, self.host, port, self.target = text.split(",")
        self.ends = {one, other}
        self.is_cut = False
        self.halves = set()
        self.listener = socket.create_server((self.host, int(port)), backlog=128)
        self.listener.setblocking(False)
        selector.register(self.listener, selectors.EVENT_READ, self)

    def attend(self, _):
        peer, _ = self.listener.accept()
        if self.is_cut:
            # Who connects through a cut learns nothing for as long.
            self.halves.add(Half(self, peer, None))
            return
        self.join(peer)

    def join(self, peer):
        try:
            target = socket.create_connection((self.host, int(self.target)), timeout=1)
        except OSError:
            peer.close()
            return
        one, other = Half(self, peer, None), Half(self, target, None)
        one.other, other.other = other, one
        self.halves |= {one, other}
        one.watch()
        other.watch()

    def set(self, is_cut):
        self.is_cut = is_cut
        for half in list(self.halves):
            if not is_cut and half.other is None:
                self.halves.discard(half)
                self.join(half.socket)
            else:
                half.watch()


class Half:
    """One of the two connections of a way, and what is to be sent to it."""

    def __init__(self, way, socket, other):
        self.way, self.socket, self.other = way, socket, other
        self.waiting = b""
        self.events = 0
        socket.setblocking(False)
        # As the members' own connections: what is passed on waits for nothing.
        socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)

    def watch(self):
        events = 0
        if self.other and not self.way.is_cut:
            events = selectors.EVENT_READ if len(self.other.waiting) < BUFFER_BYTES else 0
            events |= selectors.EVENT_WRITE if self.waiting else 0
        if events == self.events:
            return
        if not self.events:
            selector.register(self.socket, events, self)
        elif not events:
            selector.unregister(self.socket)
        else:
            selector.modify(self.socket, events, self)
        self.events = events

    def attend(self, events):
        try:
            if events & selectors.EVENT_READ:
                part = self.socket.recv(1 << 18)
                if not part:
                    raise ConnectionError
                self.other.send(part)
            if events & selectors.EVENT_WRITE:
                self.send(b"")
            self.watch()
        except BlockingIOError:
            pass
        except OSError:
            self.close()

    def send(self, part):
        self.waiting += part
        try:
            self.waiting = self.waiting[self.socket.send(self.waiting):]
        except BlockingIOError:
            pass
        self.watch()
        self.other.watch()

    def close(self):
        for half in (self, self.other):
            if half in self.way.halves:
                self.way.halves.discard(half)
                if half.events:
                    selector.unregister(half.socket)
                    half.events = 0
                half.socket.close()


class Orders:
    def __init__(self, ways):
        self.ways = ways
        selector.register(sys.stdin, selectors.EVENT_READ, self)

    def attend(self, _):
        text = os.read(0, 4096).decode()
        if not text:
            os._exit(0)
        for line in text.splitlines():
            order, *ends = line.split()
            for way in self.ways:
                if way.ends == set(ends):
                    way.set(order == "cut")
            print("ready", flush=True)


def main():
    Orders([Way(text) for text in sys.argv[1:]])
    print("ready", flush=True)
    while True:
        for key, events in selector.select():
            # One that was closed by another event of this turn is not attended to.
            if key.fileobj.fileno() >= 0:
                key.data.attend(events)


if __name__ == "__main__":
    main()
