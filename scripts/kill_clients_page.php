<?php
// The page of scripts/kill-clients: says who is logged in.
ini_set('display_errors', '0');
if (!session_start()) {
    echo 'no session';
} elseif (isset($_GET['login'])) {
    $_SESSION = ['user' => $_GET['login'], 'count' => 0];
} elseif (isset($_SESSION['user'])) {
    $_SESSION['count']++;
    echo $_SESSION['user'];
} else {
    echo 'nobody';
}
