<?php

// What `php artisan serve` runs for each request: files of public/ are handed out as they are.
if (is_file(__DIR__ . '/public' . urldecode(parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH)))) {
    return false;
}
require_once __DIR__ . '/public/index.php';
