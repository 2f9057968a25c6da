<?php
// A small shop, for scripts/carts, scripts/php-locks, scripts/headline and the tests: one action a request, and the answer as
// JSON.
// What PHP complains of is part of the answer.
$complaints = [];
set_error_handler(function ($kind, $text) use (&$complaints) {
    $complaints[] = $text;
    return true;
});
$do = $_GET['do'] ?? 'look';
$started = session_start($do === 'read' ? ['read_and_close' => true] : []);
$count = $_SESSION['count'] ?? null;
if ($started) {
    if ($do === 'login') {
        session_regenerate_id(true);
        $_SESSION['user'] = $_GET['user'];
        $_SESSION['count'] = $_GET['count'] ?? 0;
    } elseif ($do === 'write' && isset($_SESSION['user'])) {
        $_SESSION['count'] = $_GET['count'];
    } elseif ($do === 'add') {
        $_SESSION['cart'][] = $_GET['item'];
    } elseif ($do === 'fill') {
        $_SESSION['fill'] = str_repeat(md5($_GET['bytes'], true), intdiv((int) $_GET['bytes'], 16));
    } elseif ($do === 'hold') {
        usleep(1000 * (int) $_GET['milliseconds']);
        $_SESSION['held'] = ($_SESSION['held'] ?? 0) + 1;
    }
}
$answer = [
    'started' => $started, 'id' => session_id(), 'user' => $_SESSION['user'] ?? null,
    'cart' => $_SESSION['cart'] ?? [], 'held' => $_SESSION['held'] ?? 0, 'count' => $count,
    'fill' => isset($_SESSION['fill']) ? [strlen($_SESSION['fill']), md5($_SESSION['fill'])] : null,
];
if ($do === 'die') {
    // As a page that runs out of memory or is killed: nothing of it is done any more.
    posix_kill(getmypid(), SIGKILL);
}
if ($started && $do !== 'read') {
    $answer['saved'] = $do === 'logout' ? session_destroy() : session_write_close();
}
$answer['complaints'] = $complaints;
http_response_code($started && ($answer['saved'] ?? true) ? 200 : 503);
header('Content-Type: application/json');
echo json_encode($answer), "\n";
