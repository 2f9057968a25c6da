<?php
// Makes the samples of PHP's serializers: php make.php, with the extensions session and igbinary.
ob_start();
class Cart { public $n = 3; protected $user_id = "99"; private $x = [1, 2.5, null, true]; }
enum Level: string { case Gold = "gold"; }
$data = [
    "user_id" => 42,
    "name" => "Ann | \"x\" ;s:7:\"user_id\";i:7;",
    "nested" => ["a" => ["user_id" => "666"], "list" => [1, -2, 3.25, true, null]],
    "auth" => ["user_id" => "ann"],
    "level" => Level::Gold,
    "cart" => new Cart,
    "none" => null,
    "off" => false,
    "empty" => "",
];
ini_set("session.use_cookies", "0");
ini_set("session.cache_limiter", "");
foreach (["php", "php_binary", "php_serialize", "igbinary"] as $handler) {
    ini_set("session.serialize_handler", $handler);
    session_id("made");
    session_start();
    $_SESSION = $data;
    file_put_contents("$handler.bin", session_encode());
    session_abort();
}
// Names and texts that came before, objects, and numbers of each length.
$cart = new Cart;
file_put_contents("igbinary-again.bin", igbinary_serialize([
    "who" => "ann", "auth" => ["other" => 1, "who" => "ann"], "a" => $cart, "b" => $cart, "big" => 5000000000,
    "less" => -70000, "many" => array_fill(0, 300, "user_id"), "long" => str_repeat("q", 300), "user_id" => "ann",
]));
$name = "ann";
$referred = ["first" => &$name, "user_id" => &$name];
file_put_contents("php_serialize-reference.bin", serialize($referred));
file_put_contents("igbinary-reference.bin", igbinary_serialize($referred));
// As Laravel's cache driver stores a session: a text in a text.
file_put_contents("laravel.bin", serialize([
    "_token" => "x", "login_web_59ba36addc2b2f9401580f014c7f58ea4e30989d" => 1234567, "_flash" => ["new" => [], "old" => []],
]));
