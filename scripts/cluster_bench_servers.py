"""The processes that scripts/cluster-bench measures, and what it asks of them."""
import json, os, socket, subprocess, sys, tempfile, time

from support import Node, wait_until

NAME = os.path.basename(sys.argv[0])
KEYS = [b"session:%032d" % number for number in range(200)]
USER = ["-u", "root"] if os.geteuid() == 0 else []


def free_ports(count):
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class Process(Node):
    """A server that is started by any command; `command_for_port` makes it for a free port."""

    def __init__(self, command_for_port, port=None, log=subprocess.DEVNULL):
        self.start_command(lambda free: command_for_port(port or free), log)
        self.port = port or self.port


class Redis(Process):
    def __init__(self, prefix, folder, *more):
        # A replica leaves what it got at its start in the folder.
        super().__init__(lambda port: [
            *prefix, "redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no",
            "--dir", folder, *more])

    def answers(self, peer):
        peer.sendall(b"PING\r\n")
        return peer.recv(100).startswith(b"+PONG")

    def has_replica(self):
        with self.connect() as peer:
            peer.sendall(b"INFO replication\r\n")
            return b"state=online" in peer.recv(65536)


class Proxy(Process):
    """nutcracker, with the rule of libmemcached's clients, before some servers."""

    def __init__(self, prefix, folder, servers):
        listed = "".join(f"    - 127.0.0.1:{server.port}:1\n" for server in servers)
        statistics_port = free_ports(1)[0]
        file = f"{folder}/nutcracker.yml"

        def command(port):
            with open(file, "w") as page:
                page.write(f"pool:\n  listen: 127.0.0.1:{port}\n  hash: fnv1a_64\n  distribution: ketama\n"
                           f"  timeout: 1000\n  servers:\n{listed}")
            return [*prefix, "nutcracker", "-c", file, "-s", str(statistics_port), "-a", "127.0.0.1", "-o", "/dev/null"]

        super().__init__(command)

    def answers(self, peer):
        peer.sendall(b"get none\r\n")
        return peer.recv(100) == b"END\r\n"


class Members:
    """Two members, a and b, each of which has everything, and a front if wanted. As a context they run.

    a is the first owner of nearly all keys where it has nearly all the weight: the ring has one place of b's, so that about
    one key of eighty is asked of b."""

    def __init__(self, binary, folder, prefix=(), has_front=False, is_uneven=False, is_patient=False, before_a=()):
        ports = free_ports(5)
        file = f"{folder}/members-{ports[0]}.yaml"
        with open(file, "w") as page:
            # Under valgrind nobody is in time.
            page.write(f"name: measured\npeers: {{timeout: {10_000 if is_patient else 300}}}\nnodes:\n")
            for name, port, peer_port, weight in zip("ab", ports, ports[2:], (79 if is_uneven else 1, 1)):
                page.write(f"- {{name: {name}, host: 127.0.0.1, port: {port}, peer_port: {peer_port}, memory: 64, "
                           f"weight: {weight}}}\n")
        self.log = open(f"{folder}/log", "w+")
        self.nodes = [
            Process(lambda port: [*prefix, *(before_a if name == "a" else []), binary, "--cluster", file, "--name",
                                  name, "-t", "1", "-v", *USER], port, self.log)
            for name, port in zip("ab", ports)]
        if has_front:
            self.nodes.append(Process(lambda port: [
                *prefix, binary, "--cluster", file, "--front", "-l", "127.0.0.1", "-p", str(port), "-t", "1", "-v",
                *USER], ports[4], self.log))

    def __enter__(self):
        for node in self.nodes:
            node.wait(120)
        wait_until("the members do not become current", lambda: all(
            node.stats().get("members_current") == "2" for node in self.nodes[:2]), seconds=120)
        if len(self.nodes) > 2:
            wait_until("the front does not reach the members", lambda: all(
                self.nodes[2].stats().get(f"member_{name}") == "linked" for name in "ab"))
        return self

    def __exit__(self, error, *_):
        if error:
            self.log.seek(0)
            sys.stderr.write("what the members say:\n" + "".join(self.log.readlines()[-30:]))
        for node in self.nodes:
            node.process.terminate()
        for node in self.nodes:
            node.process.wait()
        self.log.close()


def cpu_seconds(nodes):
    return sum(node.cpu_seconds() for node in nodes)


class Asker:
    """Connections that each send a request; when all are answered the next ones are sent. Replies are compared whole."""

    def __init__(self, node, count=1):
        self.peers = [node.connect() for _ in range(count)]
        for peer in self.peers:
            peer.settimeout(60)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent = 0

    def ask(self, requests, reply_for, rounds):
        """Returns the seconds of each round."""
        taken = []
        for _ in range(rounds):
            chosen = [(self.sent + place) % len(requests) for place in range(len(self.peers))]
            self.sent += len(self.peers)
            begin = time.perf_counter()
            for peer, number in zip(self.peers, chosen):
                peer.sendall(requests[number])
            for peer, number in zip(self.peers, chosen):
                self.expect(peer, reply_for(number))
            taken.append(time.perf_counter() - begin)
        return taken

    def expect(self, peer, reply):
        data = b""
        while len(data) < len(reply):
            part = peer.recv(len(reply) - len(data))
            if not part:
                raise SystemExit(f"{NAME}: a server closed the connection")
            data += part
        if data != reply:
            raise SystemExit(f"{NAME}: a wrong reply: {data[:100]}")

    def close(self):
        for peer in self.peers:
            peer.close()


def requests_of(verb, value):
    """For each key; and what is answered to that of a number."""
    if verb == "set":
        return ([b"set %s 0 3600 %d\r\n%s\r\n" % (key, len(value), value) for key in KEYS],
                lambda _: b"STORED\r\n")
    hits = [b"VALUE %s 0 %d\r\n%s\r\nEND\r\n" % (key, len(value), value) for key in KEYS]
    return [{"get": b"get %s\r\n", "gat": b"gat 3600 %s\r\n"}[verb] % key for key in KEYS], hits.__getitem__


class Disturbed(Exception):
    """A measurement that says nothing: a member was late, and connections were closed; or nothing was asked in its time."""


def load(sojourn, prefix, node, watched, seconds, args):
    """What `sojourn load` has found at a node; CPU time is that of all who are watched, per request."""
    with tempfile.NamedTemporaryFile("r") as result:
        pids = [word for one in watched for word in ("--server-pid", str(one.process.pid))]
        keys = [] if "--keys" in args else ["--keys", "1000"]
        command = [*prefix, sojourn, "load", "--server", f"127.0.0.1:{node.port}", "--key-prefix", "session:", *keys,
                   "--duration", str(seconds), "--warm-up", str(seconds / 4), "--json", result.name, *pids, *args]
        done = subprocess.run(command, capture_output=True, text=True)
        # What is wrong, not missing, ends the benchmark.
        if done.returncode and "a server closed a connection" in done.stdout + done.stderr and "wrong" not in done.stdout:
            raise Disturbed
        if done.returncode:
            raise SystemExit(f"{NAME}: {' '.join(command)}: status {done.returncode}\n{done.stdout}{done.stderr}")
        found = json.load(result)
        if not found["requests"] or not found["serverCPU"]["total"]:
            raise Disturbed
        return found
