"""Packages in a minimal root: installed, started as the unit says, upgraded with sessions in the memory file, removed,
purged. For scripts/package --test.

There is no systemd in it: what systemd does before a node starts (the tmpfs, its owner, the sockets, the user) is done
here by the units' words. Maintainer scripts find no systemd to talk to, as in an image of a container.
"""
import os, re, shlex, shutil, signal, socket, subprocess, sys, tempfile, time, zlib

SUITE = "bookworm"
# What sysusers.d and tmpfiles.d need where there is no systemd.
INSTEAD_OF_SYSTEMD = {"systemd-standalone-sysusers", "systemd-standalone-tmpfiles"}
SESSIONS = 2_000
# What the packages leave behind after a purge is the user; the rest is what dpkg writes for every package.
LEFT = re.compile(r"/(etc/(passwd|group|shadow|gshadow)-?|etc/\.pwd\.lock|var/lib/dpkg/.*|var/log/.*|var/cache/.*"
                  "|run/mount(/.*)?)")


def run(*command, **options):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    expect(result.returncode == 0,
           f"{shlex.join(command)}: status {result.returncode}\n{(result.stdout or '')[-6000:]}")
    return result.stdout


def expect(is_true, what):
    if not is_true:
        sys.exit(f"package: {what}")


def archive(root, packages):
    """A minimal Debian with what the packages depend on, made once."""
    names = set(INSTEAD_OF_SYSTEMD)
    for path in packages:
        # Of alternatives there is one already.
        wanted = run("dpkg-deb", "--field", path, "Depends").strip().split(", ")
        names.update(each.split()[0] for each in wanted if "|" not in each)
    included = ",".join(sorted(names))
    path = os.path.join(root, f".build/debian-{SUITE}-{zlib.crc32(included.encode()):x}.tar")
    if not os.path.exists(path):
        print(f"debootstrap: {SUITE}, once: kept in {os.path.relpath(path, root)}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            run("debootstrap", "--variant=minbase", f"--include={included}", SUITE, folder)
            shutil.rmtree(os.path.join(folder, "var/cache/apt"), ignore_errors=True)
            shutil.rmtree(os.path.join(folder, "var/lib/apt/lists"), ignore_errors=True)
            run("tar", "--create", "--one-file-system", "--file", path + ".part", "--directory", folder, ".")
        os.rename(path + ".part", path)
    return path


def enter(root, previous, packages):
    """Runs the trial with mounts, network and processes of its own, so that it cannot touch this machine's."""
    return subprocess.call(["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", sys.executable,
                            os.path.abspath(__file__), archive(root, packages), *previous, "--", *packages])


class Unit:
    """A unit of systemd: `words["User"]` is a list of what it says."""

    def __init__(self, root, name):
        self.words = {}
        template = re.sub("@a", "@", name)
        for line in open(f"{root}/lib/systemd/system/{template}"):
            name, equals, value = line.strip().partition("=")
            if equals and not line.startswith("#"):
                self.words.setdefault(name, []).append(value.replace("%i", "a"))

    def __getitem__(self, name):
        return self.words[name][-1]


class Machine:
    """The minimal root, and the node in it."""

    def __init__(self, root):
        self.root = root
        self.node = None
        self.sockets = []
        run("mount", "-t", "proc", "proc", f"{root}/proc")
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", f"{root}/run")
        # What maintainer scripts' programs want.
        run("mount", "--bind", "/dev", f"{root}/dev")

    def files(self):
        found = set()
        for folder, folders, names in os.walk(self.root):
            inner = folder[len(self.root):]
            folders[:] = [name for name in folders if f"{inner}/{name}" not in ("/proc", "/dev")]
            found.update(f"{inner}/{name}" for name in folders + names)
        return found

    def command(self, *words):
        return run("chroot", self.root, *words, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
                                                     "DEBIAN_FRONTEND": "noninteractive"})

    def install(self, packages):
        os.makedirs(f"{self.root}/tmp/packages", exist_ok=True)
        names = []
        for path in packages:
            names.append("/tmp/packages/" + os.path.basename(path))
            shutil.copy(path, self.root + names[-1])
        said = self.command("dpkg", "--install", *names)
        shutil.rmtree(f"{self.root}/tmp/packages")
        expect("warning" not in said.lower() and "error" not in said.lower(), f"dpkg says:\n{said}")

    def owner(self, path):
        found = os.stat(self.root + path)
        user = self.command("stat", "--format", "%U:%G", path).strip()
        return f"{user} {found.st_mode & 0o7777:o}"

    def make_ready(self):
        """What systemd does before the service, by the units."""
        mount = Unit(self.root, "run-sojourn.mount")
        place = self.root + mount["Where"]
        os.makedirs(place, exist_ok=True)
        run("mount", "-t", mount["Type"], "-o", mount["Options"], mount["What"], place)
        service = Unit(self.root, "sojournd@a.service")
        expect(mount["Where"] == "/run/" + service["RuntimeDirectory"], "the mount is not the unit's folder")
        self.command("chown", f"{service['User']}:{service['Group']}", mount["Where"])
        self.command("chmod", service["RuntimeDirectoryMode"], mount["Where"])
        for address in Unit(self.root, "sojournd@a.socket").words["ListenStream"]:
            if address.startswith("/"):
                one = socket.socket(socket.AF_UNIX)
                one.bind(self.root + address)
            else:
                host, _, self.port = address.rpartition(":")
                one = socket.socket()
                one.bind((host, int(self.port)))
            one.listen(1024)
            self.sockets.append(one)

    def start(self):
        """The service, as its user, with the sockets; returns when it has told systemd that it is ready."""
        service = Unit(self.root, "sojournd@a.service")
        told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        place = "/run/notify"
        if os.path.exists(self.root + place):
            os.unlink(self.root + place)
        told.bind(self.root + place)
        os.chmod(self.root + place, 0o777)
        told.settimeout(30)
        # The process ID stays, from the shell to the node.
        command = ["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", "/usr/sbin/chroot",
                   f"--userspec={service['User']}:{service['Group']}", self.root, *shlex.split(service["ExecStart"])]
        numbers = [one.fileno() for one in self.sockets]

        def hand_over():
            spare = [os.dup(number) for number in numbers]
            high = [os.dup2(number, 100 + place) for place, number in enumerate(spare)]
            for place, number in enumerate(high):
                os.dup2(number, 3 + place)
        self.log = tempfile.TemporaryFile("w+")
        self.node = subprocess.Popen(
            command, preexec_fn=hand_over, stdout=self.log, stderr=self.log, close_fds=False,
            env={"LISTEN_FDS": str(len(numbers)), "NOTIFY_SOCKET": place, "PATH": "/usr/bin:/bin"})
        begin = time.monotonic()
        while True:
            try:
                if b"READY=1" in told.recv(4096):
                    return time.monotonic() - begin
            except TimeoutError:
                pass
            expect(self.node.poll() is None and time.monotonic() < begin + 30, f"the node does not start: {self.said()}")

    def program(self):
        return os.readlink(f"{self.root}/proc/{self.node.pid}/exe")

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def stop(self):
        self.node.send_signal(signal.SIGTERM)
        expect(self.node.wait(30) == 0, f"the node ended with {self.node.returncode}: {self.said()}")

    def client(self):
        return Client(("127.0.0.1", int(self.port)))


class Client:
    def __init__(self, address):
        self.peer = socket.create_connection(address, timeout=30)
        self.file = self.peer.makefile("rwb")

    def ask(self, line, value=None):
        self.file.write(line.encode() + b"\r\n" + (value + b"\r\n" if value is not None else b""))
        self.file.flush()

    @staticmethod
    def value(number):
        return f"user={number};".encode() * (1 + number % 60)

    def store(self):
        for number in range(SESSIONS):
            self.ask(f"set session:{number} {number} 86400 {len(self.value(number))}", self.value(number))
            expect(self.file.readline() == b"STORED\r\n", "a session is not stored")

    def check(self, when):
        """Every session with its value, its flags and its time."""
        for number in range(SESSIONS):
            self.ask(f"mg session:{number} v f t")
            head = self.file.readline().split()
            expect(head[:1] == [b"VA"], f"{when}: session {number} is lost: {head}")
            value = self.file.read(int(head[1]) + 2)[:-2]
            left = int(head[3][1:])
            expect(value == self.value(number) and head[2] == b"f%d" % number and 86_000 < left <= 86_400,
                   f"{when}: session {number} is another: {head}")

    def version(self):
        self.ask("stats")
        lines = dict(line.split()[1:3] for line in iter(self.file.readline, b"END\r\n"))
        return lines[b"sojourn_version"].decode()


def trial(root, previous, packages):
    run("ip", "link", "set", "lo", "up")
    machine = Machine(root)
    before = machine.files()

    machine.install(previous)
    service = Unit(root, "sojournd@a.service")
    expect(machine.owner("/var/lib/sojourn") == "sojourn:sojourn 700", "/var/lib/sojourn is not the user's alone")
    expect(not os.path.exists(f"{root}/run/sojourn"), "installing has started something")
    # An operator's own line, which stays.
    conffile = f"{root}/etc/sojourn/cluster.yaml"
    text = open(conffile).read()
    expect("memory: 64m" in text, "the definition is another")
    text = text.replace("memory: 64m", "memory: 48m  # ours")
    open(conffile, "w").write(text)
    machine.make_ready()
    seconds = machine.start()
    status = open(f"{root}/proc/{machine.node.pid}/status").read()
    user = machine.command("id", "--user", service["User"]).strip()
    expect(re.search(r"^Uid:\s+(\d+)", status, re.M).group(1) == user, "the node is not the unit's user")
    client = machine.client()
    client.store()
    print(f"installed, started in {seconds:.2f} s as {service['User']}, {SESSIONS:,} sessions stored")

    machine.install(packages)
    client.check("the node that goes on after the upgrade")
    expect(machine.program().endswith(" (deleted)"), "the upgrade has restarted the node")
    expect(open(conffile).read() == text, "the upgrade has changed the definition")
    machine.stop()
    # Who connects now waits for the new program.
    waiting = machine.client()
    seconds = machine.start()
    waiting.check("after the upgrade")
    expect(machine.program() == f"{root}/usr/bin/sojournd", f"not the package's program: {machine.program()}")
    packed = machine.command("dpkg-query", "--show", "--showformat=${Version}", "sojourn-node")
    expect(packed == waiting.version(), f"the package is {packed}, and the program says {waiting.version()}")
    print(f"upgraded, started in {seconds:.2f} s: all sessions are there, the definition is as it was changed")

    machine.stop()
    machine.command("dpkg", "--remove", "sojourn-node", "sojourn-tools")
    expect(not os.path.exists(f"{root}/usr/bin/sojournd"), "the program is still there")
    expect(os.path.exists(f"{root}/run/sojourn/a") and open(conffile).read() == text,
           "removing takes sessions or the definition with it")
    machine.install(packages)
    machine.start()
    machine.client().check("after removing and installing again")
    machine.stop()
    print("removed, and installed again: all sessions are there")

    machine.command("dpkg", "--purge", "sojourn-node", "sojourn-tools")
    for one in machine.sockets:
        one.close()
    os.unlink(f"{root}/run/notify")
    os.unlink(f"{root}/run/sojournd-a.sock")
    left = sorted(path for path in machine.files() - before if not LEFT.fullmatch(path))
    expect(not left, f"a purge leaves {' '.join(left[:20])}")
    expect("sojourn:" in open(f"{root}/etc/passwd").read(), "the user is gone")
    print("purged: nothing is left but the user")


def main():
    tar, *rest = sys.argv[1:]
    place = rest.index("--")
    with tempfile.TemporaryDirectory() as root:
        os.chmod(root, 0o755)
        # Own mounts: they go with this process, and so do the files on this one.
        run("mount", "-t", "tmpfs", "-o", "mode=755,size=2g", "tmpfs", root)
        run("tar", "--extract", "--file", tar, "--directory", root)
        try:
            trial(root, rest[:place], rest[place + 1:])
        finally:
            run("umount", "--lazy", root)


if __name__ == "__main__":
    main()
