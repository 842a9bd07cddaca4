<?php
// Opens a connection with the client that the path names, and answers what came over it.
const CA = '/run/secrets/peers/ca.crt';

function with_pdo() {
    $database = new PDO('pgsql:host=db.test;dbname=caller;sslmode=verify-full;sslrootcert=' . CA, 'caller', 'secret');
    return $database->query('SELECT 6 * 7')->fetchColumn();
}

function with_https() {
    $context = stream_context_create(['ssl' => ['cafile' => CA]]);
    return file_get_contents('https://web.test/answer', false, $context);
}

function with_redis() {
    $redis = stream_socket_client('tcp://redis.test:6379', $code, $text, 10);
    fwrite($redis, "EVAL \"return 6 * 7\" 0\r\n");
    return ltrim(trim(fgets($redis)), ':');
}

try {
    echo call_user_func('with_' . trim($_SERVER['REQUEST_URI'], '/'));
} catch (Throwable $error) {
    http_response_code(500);
    echo get_class($error), ': ', $error->getMessage();
}
