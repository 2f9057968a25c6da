<?php
// php-memcached on the nodes of ../cluster.yaml. Strategy ketama-weighted. To read what PHP's session handler
// wrote (php-sessions.ini), set OPT_PREFIX_KEY to its prefix: keys are hashed without it.
$client = new Memcached();
$client->setOption(Memcached::OPT_LIBKETAMA_COMPATIBLE, true);
$client->setOption(Memcached::OPT_BINARY_PROTOCOL, false);
$client->setOption(Memcached::OPT_CONNECT_TIMEOUT, 1000);
$client->addServers([['127.0.0.1', 11311], ['127.0.0.1', 11312], ['127.0.0.1', 11313]]);
return $client;
