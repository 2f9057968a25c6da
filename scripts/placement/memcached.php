<?php
// Which server does php-memcached pick? Lines in, one index a line out: see scripts/golden-placement.
$client = new Memcached();
$hashes = [
    'md5' => Memcached::HASH_MD5, 'crc32' => Memcached::HASH_CRC, 'fnv1_64' => Memcached::HASH_FNV1_64,
    'fnv1a_64' => Memcached::HASH_FNV1A_64, 'fnv1_32' => Memcached::HASH_FNV1_32,
    'fnv1a_32' => Memcached::HASH_FNV1A_32, 'murmur' => Memcached::HASH_MURMUR,
];
$indices = [];
while (($line = fgets(STDIN)) !== false) {
    $words = explode(' ', trim($line));
    if ($words[0] === 'option') {
        if ($words[1] === 'libketama') {
            $client->setOption(Memcached::OPT_LIBKETAMA_COMPATIBLE, true);
        } elseif ($words[1] === 'consistent') {
            $client->setOption(Memcached::OPT_DISTRIBUTION, Memcached::DISTRIBUTION_CONSISTENT);
        } elseif (strncmp($words[1], 'hash=', 5) === 0) {
            $client->setOption(Memcached::OPT_HASH, $hashes[substr($words[1], 5)]) || exit(1);
        }
    } elseif ($words[0] === 'node') {
        $client->addServer($words[1], (int) $words[2], (int) $words[3]);
        $indices["$words[1]:$words[2]"] = count($indices);
    } else {
        $server = $client->getServerByKey(hex2bin($words[1]));
        echo $server === false ? '-' : $indices["$server[host]:$server[port]"], "\n";
    }
}
