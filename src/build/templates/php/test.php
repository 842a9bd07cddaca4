<?php
require_once __DIR__ . '/greet.php';

if (greet('you') !== "Hello, you!\n") {
    fwrite(STDERR, "unexpected answer\n");
    exit(1);
}
