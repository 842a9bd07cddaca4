<?php
// A request keeps nothing for the next one: the counter is a file. What nobody catches is a 500 of PHP's.
function uuid(): string
{
    $bytes = random_bytes(16);
    $bytes[6] = chr(ord($bytes[6]) & 15 | 64);
    $bytes[8] = chr(ord($bytes[8]) & 63 | 128);
    return vsprintf('%s%s-%s-%s-%s-%s%s%s', str_split(bin2hex($bytes), 4));
}

function calls(): string
{
    $file = fopen('/tmp/calls', 'c+');
    flock($file, LOCK_EX);
    $number = (int) stream_get_contents($file) + 1;
    rewind($file);
    fwrite($file, (string) $number);
    return (string) $number;
}

$body = file_get_contents('php://input');
header('Content-Type: application/octet-stream');
switch (parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH)) {
    case '/count':
        echo calls();
        break;
    case '/uuid':
        echo uuid();
        break;
    case '/random':
        echo bin2hex(openssl_random_pseudo_bytes(16));
        break;
    case '/json':
        echo json_encode(['echo' => json_decode($body)]);
        break;
    case '/body':
        echo $body;
        break;
    case '/file':
        file_put_contents('/tmp/written', $body);
        readfile('/tmp/written');
        break;
    default:
        throw new RuntimeException('nobody catches this');
}
