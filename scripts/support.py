"""What the measuring scripts share: building, fresh processes of a server, and records."""
import atexit, os, platform, re, signal, socket, subprocess, sys, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LINES = []


def say(text=""):
    print(text, flush=True)
    LINES.append(text)


def build(*products):
    """Where the programs are; all of them are built, or these."""
    subprocess.run([os.path.join(ROOT, "scripts/install"), "test"], check=True)
    swift = ["swift", "build", "--package-path", ROOT, "--configuration", "release"]
    for product in products or [None]:
        subprocess.run(swift + (["--product", product] if product else []), check=True, stdout=sys.stderr)
    return subprocess.run(swift + ["--show-bin-path"], check=True, capture_output=True,
                          text=True).stdout.strip()


def process_private_bytes(number):
    """Resident, without what comes from the program's files."""
    status = open(f"/proc/{number}/status").read()
    return sum(int(re.search(rf"{name}:\s+(\d+)", status).group(1)) * 1024
               for name in ("RssAnon", "RssShmem"))


def process_cpu_seconds(number):
    """Also of threads that have ended; in steps of a hundredth of a second."""
    words = open(f"/proc/{number}/stat").read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


class Node:
    """A fresh process of one of the servers. However the script ends, it does not stay."""

    started = []
    is_starting = False
    is_told_to_end = False

    def __init__(self, binary, megabytes=256, threads=1, extra=(), log=subprocess.DEVNULL,
                 prefix=()):
        user = ["-u", "root"] if os.geteuid() == 0 else []
        self.start_command(lambda port: [
            *prefix, binary, "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-m", str(megabytes), "-t",
            str(threads), *extra, *user], log)

    def start_command(self, command_for_port, log=subprocess.DEVNULL):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = command_for_port(self.port)
        self.command = " ".join(command)
        self.start = time.monotonic()
        # Told to end in between, nobody would know of the process.
        Node.is_starting = True
        try:
            self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
            Node.started.append(self)
        finally:
            Node.is_starting = False
        if Node.is_told_to_end:
            told_to_end()

    @staticmethod
    def end_all():
        """Kills every one that still runs."""
        for node in Node.started:
            if node.process.poll() is None:
                node.process.kill()
                node.process.wait()
        Node.started.clear()

    def wait(self, seconds=10):
        """Waits for the first answered command; returns how long that took since the start."""
        while True:
            try:
                with self.connect() as peer:
                    peer.settimeout(seconds)
                    if self.answers(peer):
                        return time.monotonic() - self.start
            except OSError:
                pass
            if time.monotonic() > self.start + seconds or self.process.poll() is not None:
                self.process.kill()
                raise SystemExit(f"{os.path.basename(sys.argv[0])}: {self.command} does not start")
            time.sleep(0.002)

    def answers(self, peer):
        peer.sendall(b"version\r\n")
        return peer.recv(100).startswith(b"VERSION ")

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port))

    def __enter__(self):
        self.wait()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def cpu_seconds(self):
        tasks = f"/proc/{self.process.pid}/task"
        return sum(int(open(f"{tasks}/{task}/schedstat").read().split()[0])
                   for task in os.listdir(tasks)) / 1e9

    def kernel_share(self):
        """Ticks in the kernel, and in the program."""
        words = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return int(words[12]), int(words[11])

    def resident_bytes(self):
        status = open(f"/proc/{self.process.pid}/status").read()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) * 1024

    def private_bytes(self):
        return process_private_bytes(self.process.pid)

    def stats(self):
        with self.connect() as peer:
            peer.sendall(b"stats\r\n")
            data = b""
            while not data.endswith(b"END\r\n"):
                data += received(peer)
        return {line.split()[1]: line.split()[2] for line in data.decode().splitlines()
                if line.startswith("STAT ")}


def received(peer):
    """What has come; that nothing will come any more is no reason to wait for it."""
    part = peer.recv(65536)
    if not part:
        raise SystemExit(f"{os.path.basename(sys.argv[0])}: the server closed the connection")
    return part


def wait_until(what, is_true, process=None, seconds=60):
    """Waits for a condition, but neither for ever nor for a process that has ended."""
    deadline = time.monotonic() + seconds
    while not is_true():
        if process is not None and process.poll() is not None:
            raise SystemExit(f"{os.path.basename(sys.argv[0])}: {what}: its process has ended, "
                             f"status {process.returncode}")
        if time.monotonic() > deadline:
            raise SystemExit(f"{os.path.basename(sys.argv[0])}: {what}: not within {seconds} s")
        time.sleep(0.005)


# A script that is told to end leaves no server behind either.
atexit.register(Node.end_all)


def told_to_end(*_):
    if Node.is_starting:
        Node.is_told_to_end = True
    else:
        sys.exit(128 + signal.SIGTERM)


signal.signal(signal.SIGTERM, told_to_end)


def describe(servers):
    model = re.search(r"model name\s*: (.*)", open("/proc/cpuinfo").read())
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty", "--abbrev=12"],
                            capture_output=True, text=True).stdout.strip()
    say(f"commit {commit}, {time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores "
        f"({model.group(1) if model else platform.machine()}), "
        f"Linux {platform.release().split('-')[0]}")
    swift = subprocess.run(["swift", "--version"], capture_output=True, text=True).stdout
    say(swift.splitlines()[0])
    for name, server in servers.items():
        version = subprocess.run([server, "-V"], capture_output=True, text=True).stdout.strip()
        say(f"{name}: {version}" + (
            ", a debug build" if "/debug/" in os.path.realpath(server) else ""))
    say()


def record(path):
    """Keeps what was said so far."""
    with open(path, "w") as file:
        file.write("\n".join(LINES) + "\n")
