<?php
// Which server does PHP's session handler read a session from? The servers answer with their number.
// Lines in, one index a line out: see scripts/golden-placement.
ob_start();
ini_set('session.save_handler', 'memcached');
ini_set('session.use_cookies', '0');
ini_set('session.cache_limiter', '');
ini_set('session.use_strict_mode', '0');
ini_set('memcached.sess_locking', '0');
ini_set('memcached.sess_binary_protocol', '0');
ini_set('memcached.sess_persistent', '0');
$nodes = [];
$placed = [];
while (($line = fgets(STDIN)) !== false) {
    $words = explode(' ', trim($line));
    if ($words[0] === 'option') {
        $isRing = $words[1] !== 'modula';
        ini_set('memcached.sess_consistent_hash', $isRing ? '1' : '0');
        if ($isRing) ini_set('memcached.sess_consistent_hash_type', $words[1]);
    } elseif ($words[0] === 'node') {
        $nodes[] = "$words[1]:$words[2]:$words[3]";
    } else {
        ini_set('session.save_path', implode(',', $nodes));
        $id = hex2bin($words[1]);
        if (!preg_match('/^[a-zA-Z0-9,-]+$/', $id) || strlen($id) > 200) {
            $placed[] = '-';
            continue;
        }
        session_id($id);
        session_start();
        $placed[] = $_SESSION['n'];
        session_abort();
        $_SESSION = [];
    }
}
ob_end_clean();
echo implode("\n", $placed), "\n";
