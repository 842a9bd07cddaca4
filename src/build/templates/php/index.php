<?php
// Answers a call; the request is in $_SERVER, $_GET and php://input, as with any web server.
require_once __DIR__ . '/greet.php';

header('Content-Type: text/plain; charset=utf-8');
echo greet(file_get_contents('php://input'));
