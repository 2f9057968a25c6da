"""Real clients whose people are logged in, for the scripts that kill nodes; see kill_clients_load.py."""
import json, os, subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
JUDGED = ["pymemcache", "django-pymemcache", "django-asks-twice", "django-pylibmc", "dalli", "php", "php-strict"]
SHOWN = ["django-pymemcache-stock", "django-pylibmc-kept"]
# A client waits for the next node as long as its time-out says. Here a machine that is busy with other things must not
# look as a node that does not come back.
PATIENCE_SECONDS = 20


class ClientLoad:
    """The process of one kind of client. `servers` are "host:port"."""

    def __init__(self, python, kind, servers, script, patience=PATIENCE_SECONDS, pause=0.002):
        self.kind, self.script = kind, script
        program = ([python, "kill_clients_load.py"] if kind != "dalli"
                   else ["/usr/bin/ruby", "kill_clients_load.rb"])
        self.process = subprocess.Popen(
            [program[0], os.path.join(HERE, program[1]), kind, ",".join(servers), str(patience), str(pause)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def wait(self):
        if self.process.stdout.readline() != "ready\n":
            raise SystemExit(f"{self.script}: {self.kind} does not start")

    def begin(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def results(self):
        self.process.stdin.close()
        return json.loads(self.process.stdout.read())
