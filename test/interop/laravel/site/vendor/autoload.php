<?php

// What Composer writes in a standard project. Here the framework is Debian's package php-laravel-framework, whose parts
// speak up about what PHP 8.2 will drop one day.
error_reporting(E_ALL & ~E_DEPRECATED);

require_once 'Illuminate/autoload.php';

spl_autoload_register(static function (string $class): void {
    foreach (['App\\' => 'app/', 'Database\\Seeders\\' => 'database/seeders/'] as $prefix => $folder) {
        if (str_starts_with($class, $prefix)) {
            require dirname(__DIR__) . '/' . $folder . strtr(substr($class, strlen($prefix)), '\\', '/') . '.php';
        }
    }
});
