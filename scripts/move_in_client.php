<?php
// The PHP client of scripts/move-in, as move_in_client.py: knows what its sessions should be, and says what was not so.
[, $kind, $place, $parts, $count, $rate, $address, $path] = $argv;
[$place, $parts, $count, $rate] = [(int) $place, (int) $parts, (int) $count, (float) $rate];

function value_of(int $number, int $version): string
{
    return "$number:$version:" . str_repeat('x', 60 + $number * 7919 % 640);
}

function connect(string $port): Memcached
{
    $client = new Memcached();
    $client->setOption(Memcached::OPT_COMPRESSION, false);
    $client->setOption(Memcached::OPT_TCP_NODELAY, true);
    $client->addServer('127.0.0.1', (int) $port);
    return $client;
}

mt_srand($place);
$numbers = range($place, $count - 1, $parts);
$next = intdiv($count + $parts - 1, $parts) * $parts + $place;
[$known, $gone] = [[], []];
$told = ['requests' => 0, 'moved' => 0, 'logins' => 0, 'logouts' => 0, 'lost' => 0, 'wrong' => 0, 'returned' => 0,
    'errors' => 0, 'switch_errors' => 0, 'slowest_ms' => 0, 'first' => ''];
$note = function (string $what, string $detail) use (&$told): void {
    $told[$what]++;
    $told['first'] = $told['first'] ?: substr("$what $detail", 0, 200);
};
$port = $first = file_get_contents($address);
$client = connect($port);
$start = hrtime(true) / 1e9;
$expected = [Memcached::RES_SUCCESS, Memcached::RES_NOTFOUND];
while (true) {
    if ($told['requests'] % 50 == 0) {
        $now = file_get_contents($address);
        if ($now === 'end') {
            break;
        }
        if ($now !== $port) {
            [$port, $client] = [$now, connect($now)];
        }
    }
    $wait = $start + $told['requests'] / $rate - hrtime(true) / 1e9;
    if ($wait > 0) {
        usleep((int) ($wait * 1e6));
    }
    $chosen = mt_rand(0, count($numbers) - 1);
    $number = $numbers[$chosen];
    $key = "session:$number";
    $what = mt_rand() / mt_getrandmax();
    [$begin, $clock] = [microtime(true), hrtime(true)];
    $version = $known[$number]['version'] ?? 0;
    if ($what < 0.60) {
        $value = $client->get($key);
        if ($client->getResultCode() === Memcached::RES_NOTFOUND) {
            $note('lost', $key);
        } elseif ($client->getResultCode() === Memcached::RES_SUCCESS && $value !== value_of($number, $version)) {
            $note('wrong', "$key " . substr((string) $value, 0, 40));
        }
    } elseif ($what < 0.75) {
        $seconds = [3600, 86400, 604800][mt_rand(0, 2)];
        if ($client->touch($key, $seconds)) {
            $known[$number] ??= ['gone' => false, 'version' => 0, 'flags' => null, 'end' => null];
            $known[$number]['end'] = [$begin, microtime(true), $seconds, $port === $first];
        } elseif ($client->getResultCode() === Memcached::RES_NOTFOUND) {
            $note('lost', $key);
        }
    } elseif ($what < 0.92) {
        $seconds = [3600, 86400, 604800][mt_rand(0, 2)];
        $client->set($key, value_of($number, $version + 1), $seconds);
        $known[$number] = ['gone' => false, 'version' => $version + 1, 'flags' => 0,
            'end' => [$begin, microtime(true), $seconds, $port === $first]];
    } elseif ($what < 0.94 && count($numbers) > 100) {
        $client->delete($key);
        if ($client->getResultCode() === Memcached::RES_NOTFOUND) {
            $note('lost', $key);
        }
        $known[$number] = ['gone' => true];
        $numbers[$chosen] = $numbers[count($numbers) - 1];
        array_pop($numbers);
        $gone[] = $number;
        $told['logouts']++;
    } elseif ($what < 0.96 && $gone) {
        $key = 'session:' . $gone[mt_rand(0, count($gone) - 1)];
        $client->get($key);
        if ($client->getResultCode() === Memcached::RES_SUCCESS) {
            $note('returned', $key);
        }
    } else {
        [$number, $next] = [$next, $next + $parts];
        $key = "session:$number";
        $client->add($key, value_of($number, 0), 86400);
        $known[$number] = ['gone' => false, 'version' => 0, 'flags' => 0,
            'end' => [$begin, microtime(true), 86400, $port === $first]];
        $numbers[] = $number;
        $told['logins']++;
    }
    if (!in_array($client->getResultCode(), $expected, true)) {
        $known[$number] = ['unknown' => true];
        $note(file_get_contents($address) !== $port ? 'switch_errors' : 'errors', "$key " . $client->getResultMessage());
    }
    $told['requests']++;
    if ($port !== $first) {
        $told['moved']++;
        $told['slowest_ms'] = max($told['slowest_ms'], (hrtime(true) - $clock) / 1e6);
    }
}
$told['seconds'] = hrtime(true) / 1e9 - $start;
$told['known'] = (object) $known;
file_put_contents($path, json_encode($told));
