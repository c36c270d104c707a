<?php

// Laravel as a peer: the project in site/, made anew in PEER_DIR. Users are made by Eloquent in this process, which is
// the project's console; logins and sessions are requests to its public/index.php behind PHP's web server.
//
// More settings by environment: SESSION_DRIVER, SESSION_AUTHENTICATE, HASH_DRIVER, HASH_VERIFY and APP_TIMEZONE as in
// site/config, and SOFT_DELETES=1 for a project whose users are deleted softly.

require __DIR__ . '/../php/commands.php';
require __DIR__ . '/../php/webserver.php';
require __DIR__ . '/../php/browser.php';

use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Hash;
use Illuminate\Support\Str;

$site = environment('PEER_DIR') . '/site';
run(['cp', '-r', __DIR__ . '/site', $site], '/');
file_put_contents("$site/.env", preg_replace(
    ['/^DB_CONNECTION=.*/m', '/^DB_DATABASE=.*/m', '/^DB_USERNAME=.*/m'],
    [
        'DB_CONNECTION=' . ['sqlite' => 'sqlite', 'postgres' => 'pgsql', 'mysql' => 'mysql'][environment('DB_ENGINE')],
        'DB_DATABASE=' . environment('DB_NAME'),
        'DB_USERNAME=' . getenv('DB_USER'), // SQLite has none
    ],
    file_get_contents("$site/.env.example"),
)); // host, port and password have the names that Laravel gives them, and the environment goes before the file
run(['php', 'artisan', 'key:generate'], $site);

require "$site/vendor/autoload.php";
$app = require "$site/bootstrap/app.php";
$app->make(Illuminate\Contracts\Console\Kernel::class)->bootstrap();
$web = new WebServer("$site/public", "$site/public/index.php", environment('PEER_DIR') . '/web.log');

/** Users are read and made by the model that the guard has. */
$users = static fn () => (config('auth.providers.users.model'))::query();

/** What a hasher of Laravel makes, by the name of its driver and, after a dash, its cost. */
$hashes = [
    'bcrypt' => static fn (string $password) => Hash::driver('bcrypt')->make($password),
    'bcrypt-12' => static fn (string $password) => Hash::driver('bcrypt')->make($password, ['rounds' => 12]),
    'argon' => static fn (string $password) => Hash::driver('argon')->make($password),
    'argon2id' => static fn (string $password) => Hash::driver('argon2id')->make($password),
    // As Laravel 8 had it in config/hashing.php: 1 MiB, 2 passes, 2 threads.
    'argon2id-1024' => static fn (string $password) => Hash::driver('argon2id')->make($password,
        ['memory' => 1024, 'time' => 2, 'threads' => 2]),
    'none' => static fn () => '', // somebody who never had a password
];

answer_commands([
    'setup' => static function () use ($site) {
        if (environment('DB_ENGINE') === 'sqlite') {
            touch(environment('DB_NAME'));
        }
        if (config('session.driver') === 'database') {
            run(['php', 'artisan', 'session:table'], $site);
        }
        run(['php', 'artisan', 'migrate', '--force'], $site);
        if (getenv('SOFT_DELETES')) {
            run(['php', 'artisan', 'migrate', '--force', '--path=database/soft_deletes'], $site);
        }
        return [];
    },
    'add' => static function (array $c) use ($users, $hashes) {
        $hash = $hashes[$c['format']] ?? throw new DomainException("Laravel has no format {$c['format']}");
        $user = $users()->create([
            'name' => 'Somebody', 'email' => Str::random(20) . '@example.com', 'mobile' => $c['mobile'],
            'password' => $hash($c['password']),
        ]);
        if (!$c['active']) {
            $user->forceFill(['deleted_at' => now()])->save(); // fails without SOFT_DELETES
        }
        DB::disconnect();
        return ['id' => (string) $user->getAuthIdentifier()];
    },
    'login' => static function (array $c) use ($web) {
        $browser = new Browser($web->url);
        if (!preg_match('/name="_token" value="([^"]+)"/', $browser->get('/login')['body'], $token)) {
            throw new RuntimeException('the login form has no token');
        }
        $answer = $browser->post('/login', ['_token' => $token[1], 'mobile' => $c['mobile'], 'password' => $c['password']]
            + (($c['remember'] ?? false) ? ['remember' => '1'] : []));
        $accepted = $answer['status'] === 302 && $answer['location'] === "$web->url/home";
        // What a browser has left of a session that it was to remember, once it was closed or two hours have gone by.
        $left = ($c['remember'] ?? false) ? 'remember_web_' : 'laravel_session';
        return ['accepted' => $accepted, 'session' => $accepted ? $browser->cookies($left) : ''];
    },
    'session' => static function (array $c) use ($web) {
        $browser = new Browser($web->url, $c['session']);
        $answer = $browser->get('/home');
        return match (true) {
            $answer['status'] === 200 && preg_match('/^user (.+)$/', $answer['body'], $user) === 1 => ['user' => $user[1]],
            $answer['status'] === 302 && $answer['location'] === "$web->url/login" => ['user' => ''],
            default => throw new RuntimeException("/home answers {$answer['status']} {$answer['location']}"),
        };
    },
    // As Laravel's manual has it under "Resetting Passwords", which is what its starter kits do too.
    'reset' => static function (array $c) use ($users) {
        $user = $users()->where('mobile', $c['mobile'])->firstOrFail();
        $user->forceFill(['password' => Hash::make($c['password'])])->setRememberToken(Str::random(60));
        $user->save();
        DB::disconnect();
        return [];
    },
    // The age in seconds of updated_at as the model reads it.
    'age' => static function (array $c) use ($users) {
        $user = $users()->where('mobile', $c['mobile'])->firstOrFail();
        DB::disconnect();
        return ['count' => now()->getTimestamp() - $user->updated_at->getTimestamp()];
    },
]);
