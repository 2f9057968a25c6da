<?php
// Holds PHP's class Memcached (php-memcached) against nodes, in the binary protocol and in the text one:
// memcached_class_checks.php HOST:PORT [HOST:PORT ...]
//
// Ends with status 0 and the number of checks, or with the first check that failed.

$checked = 0;

function check(string $name, mixed $got, mixed $wanted): void
{
    global $checked;
    if ($got !== $wanted) {
        fwrite(STDERR, "$name: " . var_export($got, true) . ' instead of ' . var_export($wanted, true) . "\n");
        exit(1);
    }
    $checked++;
}

function connect(bool $binary, array $options = []): Memcached
{
    $client = new Memcached();
    $client->setOption(Memcached::OPT_LIBKETAMA_COMPATIBLE, true);
    $client->setOption(Memcached::OPT_BINARY_PROTOCOL, $binary);
    $client->setOptions($options);
    foreach (array_slice($GLOBALS['argv'], 1) as $place) {
        [$host, $port] = explode(':', $place);
        $client->addServer($host, (int) $port);
    }
    return $client;
}

function commands(Memcached $client, bool $binary): void
{
    check('flush', $client->flush(), true);
    check('get of nothing', $client->get('k'), false);
    check('its code', $client->getResultCode(), Memcached::RES_NOTFOUND);
    foreach (['', 'value', 17, 1.5, true, ['a' => [1, null]], str_repeat('compress ', 10_000)] as $value) {
        check('set', $client->set('k', $value, 100), true);
        check('get', $client->get('k'), $value);
    }
    check('add of what is there', $client->add('k', 'x'), false);
    check('its code', $client->getResultCode(), $binary ? Memcached::RES_DATA_EXISTS : Memcached::RES_NOTSTORED);
    check('add', $client->add('l', 'x'), true);
    check('replace', $client->replace('l', 'y'), true);
    check('replace of nothing', $client->replace('m', 'y'), false);
    check('delete', $client->delete('l'), true);
    check('delete of nothing', $client->delete('l'), false);
    check('touch', $client->touch('k', 200), true);
    check('touch of nothing', $client->touch('absent', 200), false);
    check('thirty-one days', $client->set('k', 'x', 31 * 86_400), true);
    $client->setOption(Memcached::OPT_COMPRESSION, false);
    check('a raw one', $client->set('r', 'b'), true);
    check('append', $client->append('r', 'c'), true);
    check('prepend', $client->prepend('r', 'a'), true);
    check('get of the three', $client->get('r'), 'abc');
    $client->setOption(Memcached::OPT_COMPRESSION, true);
}

function uniques(Memcached $client): void
{
    $client->set('k', 1);
    $found = $client->get('k', null, Memcached::GET_EXTENDED);
    check('extended', $found['value'], 1);
    check('cas', $client->cas($found['cas'], 'k', 2), true);
    check('cas of an old unique', $client->cas($found['cas'], 'k', 3), false);
    check('its code', $client->getResultCode(), Memcached::RES_DATA_EXISTS);
    check('get after cas', $client->get('k'), 2);
    $client->delete('k');
    check('cas of nothing', $client->cas($found['cas'], 'k', 3), false);
    check('its code', $client->getResultCode(), Memcached::RES_NOTFOUND);
    check('made by a callback', $client->get('made', function ($client, $key, &$value) {
        $value = "made of $key";
        return true;
    }), 'made of made');
    check('and kept', $client->get('made'), 'made of made');
}

function numbers(Memcached $client, bool $binary): void
{
    $client->delete('n');
    if ($binary) {
        check('increment makes it', $client->increment('n', 5, 10, 100), 10);
    } else {
        check('increment of nothing', $client->increment('n', 5), false);
        $client->set('n', 10);
    }
    check('increment', $client->increment('n', 5), 15);
    check('decrement', $client->decrement('n', 6), 9);
    check('decrement below nothing', $client->decrement('n', 60), 0);
}

function many(Memcached $client): void
{
    $values = [];
    for ($number = 0; $number < 300; $number++) {
        $values["key$number"] = str_repeat("value$number", $number);
    }
    $keys = array_keys($values);
    check('setMulti', $client->setMulti($values, 100), true);
    check('getMulti', $client->getMulti([...$keys, 'absent'], Memcached::GET_PRESERVE_ORDER), $values + ['absent' => null]);
    check('getDelayed', $client->getDelayed($keys, true), true);
    $found = [];
    foreach ($client->fetchAll() as $item) {
        $found[$item['key']] = $item['value'];
    }
    ksort($found);
    ksort($values);
    check('fetchAll', $found, $values);
    $gone = $client->deleteMulti(['key1', 'key2', 'absent']);
    check('deleteMulti', [$gone['key1'], $gone['key2'], $gone['absent']], [true, true, Memcached::RES_NOTFOUND]);
    check('getMulti after it', count($client->getMulti($keys)), 298);
}

function quiet(bool $binary): void
{
    $client = connect($binary, [Memcached::OPT_NOREPLY => true]);
    for ($number = 0; $number < 200; $number++) {
        $client->set("quiet$number", $number);
    }
    $client->delete('quiet0');
    $found = $client->getMulti(array_map(fn ($number) => "quiet$number", range(0, 199)));
    check('quiet stores', count($found), 199);
}

function node(Memcached $client): void
{
    $count = count($GLOBALS['argv']) - 1;
    check('getStats', count($client->getStats()), $count);
    check('getVersion', array_unique(array_map(fn ($version) => $version[0], array_values($client->getVersion()))), ['1']);
    $client->set('k', 'x');
    check('flush', $client->flush(), true);
    check('get after flush', $client->get('k'), false);
}

foreach ([true, false] as $binary) {
    $client = connect($binary);
    commands($client, $binary);
    uniques($client);
    numbers($client, $binary);
    many($client);
    quiet($binary);
    node($client);
    $client->quit();
}
echo "$checked checks passed\n";
