"""Real clients whose people are logged in, for the scripts that kill nodes; see kill_clients_load.py."""
import json, os, subprocess

from kill_clients_load import PATIENCE_SECONDS

HERE = os.path.dirname(os.path.abspath(__file__))
JUDGED = ["pymemcache", "django-pymemcache", "django-asks-twice", "django-pylibmc", "dalli", "php", "php-strict"]
SHOWN = ["django-pymemcache-stock", "django-pylibmc-kept"]


class ClientLoad:
    """The process of one kind of client."""

    def __init__(self, python, kind, port, script):
        self.kind, self.script = kind, script
        program = ([python, "kill_clients_load.py"] if kind != "dalli"
                   else ["/usr/bin/ruby", "kill_clients_load.rb"])
        self.process = subprocess.Popen(
            [program[0], os.path.join(HERE, program[1]), kind, str(port), str(PATIENCE_SECONDS)],
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
