<?php

return [
    'driver' => env('HASH_DRIVER', 'bcrypt'),
    'bcrypt' => ['rounds' => env('BCRYPT_ROUNDS', 10), 'verify' => env('HASH_VERIFY', false)],
    'argon' => ['memory' => 65536, 'threads' => 1, 'time' => 4, 'verify' => env('HASH_VERIFY', false)],
];
