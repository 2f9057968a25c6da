"""Asks a node with a client in Python: bench_client_python.py pymemcache|pylibmc HOST PORT
get|set|getmany BYTES SECONDS

One line, as Sources/ClientBenchmark prints it: operations per second, microseconds of this process's CPU
time per operation, and the median and the 99th percentile of their latency in microseconds.
"""
import sys, time

KEY_COUNT, KEYS_PER_GET = 1000, 50


def client(name, host, port):
    if name == "pymemcache":
        from pymemcache.client.base import Client
        return Client((host, port), no_delay=True, default_noreply=False)
    import pylibmc
    return pylibmc.Client([f"{host}:{port}"], behaviors={"tcp_nodelay": True})


def main():
    name, host, port, operation, size, seconds = sys.argv[1:]
    size, seconds = int(size), float(seconds)
    keys = [f"session:0123456789abcdef0123456789abcdef:{number}" for number in range(KEY_COUNT)]
    values = [str(number).encode().ljust(size, b"v")[:size] for number in range(KEY_COUNT)]
    cache = client(name, host, int(port))
    for key, value in zip(keys, values):
        cache.set(key, value)
    get_many = getattr(cache, "get_many", None) or cache.get_multi
    latencies, number = [], 0
    cpu, start = time.process_time(), time.perf_counter()
    before = start
    while before < start + seconds:
        place = number % KEY_COUNT
        if operation == "set":
            right = cache.set(keys[place], values[place])
        elif operation == "get":
            right = cache.get(keys[place]) == values[place]
        else:
            wanted = [keys[(place + step) % KEY_COUNT] for step in range(KEYS_PER_GET)]
            found = get_many(wanted)
            right = len(found) == KEYS_PER_GET and found[wanted[7]] == values[(place + 7) % KEY_COUNT]
        if not right:
            sys.exit("bench_client_python: a wrong reply")
        now = time.perf_counter()
        latencies.append(now - before)
        before, number = now, number + 1
    cpu = time.process_time() - cpu
    latencies.sort()
    print(round(number / (before - start), 2), round(cpu / number * 1e6, 2),
          round(latencies[len(latencies) // 2] * 1e6, 2),
          round(latencies[int((len(latencies) - 1) * 0.99)] * 1e6, 2))


main()
