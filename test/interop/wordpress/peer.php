<?php

// WordPress as a peer: Debian's package, copied to PEER_DIR as its archive would be unpacked, since the package itself
// looks for its configuration in /etc alone. Logins and sessions are requests behind PHP's web server; deeds.php does the
// rest.
//
// More settings by environment: TABLE_PREFIX, which is wp_ without it; PLUGINS, which lists the files of mu-plugins/ that
// the site has, with commas; OBJECT_CACHE=1 for a site with a persistent object cache; NETWORK=1 for a network of sites.

require __DIR__ . '/../php/commands.php';
require __DIR__ . '/../php/webserver.php';
require __DIR__ . '/../php/browser.php';

$site = environment('PEER_DIR') . '/site';
run(['cp', '-r', '/usr/share/wordpress', $site], '/');
mkdir("$site/wp-content/mu-plugins");
foreach (array_filter(explode(',', (string) getenv('PLUGINS'))) as $plugin) {
    copy(__DIR__ . "/mu-plugins/$plugin", "$site/wp-content/mu-plugins/$plugin");
}
if (getenv('OBJECT_CACHE')) {
    copy(__DIR__ . '/object-cache.php', "$site/wp-content/object-cache.php");
}

$constants = [
    'DB_NAME' => environment('DB_NAME'),
    'DB_USER' => environment('DB_USER'),
    'DB_PASSWORD' => environment('DB_PASSWORD'),
    'DB_HOST' => environment('DB_HOST') . ':' . environment('DB_PORT'),
    'DB_CHARSET' => 'utf8mb4',
    'DB_COLLATE' => '',
    'WP_HTTP_BLOCK_EXTERNAL' => true,
    'DISABLE_WP_CRON' => true,
];
foreach (['AUTH', 'SECURE_AUTH', 'LOGGED_IN', 'NONCE'] as $purpose) {
    $constants["{$purpose}_KEY"] = base64_encode(random_bytes(48));
    $constants["{$purpose}_SALT"] = base64_encode(random_bytes(48));
}
$config = "<?php\n";
foreach ($constants as $name => $value) {
    $config .= "define( '$name', " . var_export($value, true) . " );\n";
}
file_put_contents("$site/wp-config.php", $config . <<<'PHP'
define( 'WP_HOME', 'http://' . $_SERVER['HTTP_HOST'] );
define( 'WP_SITEURL', WP_HOME );
$table_prefix = getenv( 'TABLE_PREFIX' ) ?: 'wp_';
if ( is_file( __DIR__ . '/network' ) ) {
	define( 'MULTISITE', true );
	define( 'SUBDOMAIN_INSTALL', false );
	define( 'DOMAIN_CURRENT_SITE', $_SERVER['HTTP_HOST'] );
	define( 'PATH_CURRENT_SITE', '/' );
	define( 'SITE_ID_CURRENT_SITE', 1 );
	define( 'BLOG_ID_CURRENT_SITE', 1 );
}
if ( ! defined( 'ABSPATH' ) ) {
	define( 'ABSPATH', __DIR__ . '/' );
}
require_once ABSPATH . 'wp-settings.php';

PHP);
$web = new WebServer($site, null, environment('PEER_DIR') . '/web.log');

/** The name that the user of a number signs in by: letters and digits, whatever the number is written with. */
$login = static fn (array $c) => 'u' . bin2hex($c['mobile']);

$deed = static fn (string $name) => static fn (array $c) => json_decode(
    run(['php', '-d', 'display_errors=stderr', '-d', 'sendmail_path=/bin/true', __DIR__ . '/deeds.php', $site, $web->url, $name], $site,
        json_encode($c + ['login' => isset($c['mobile']) ? $login($c) : null], JSON_THROW_ON_ERROR)), true, 8, JSON_THROW_ON_ERROR);

answer_commands([
    'setup' => static function (array $c) use ($deed, $site) {
        $deed('setup')($c);
        if (getenv('NETWORK')) {
            $deed('network')($c);
            touch("$site/network");
        }
        return [];
    },
    'add' => $deed('add'),
    'reset' => $deed('reset'),
    'link' => $deed('link'),
    'follow' => $deed('follow'),
    'meta' => $deed('meta'),
    'login' => static function (array $c) use ($web, $login) {
        $browser = new Browser($web->url);
        $browser->get('/wp-login.php'); // sets the cookie that the form is refused without
        $answer = $browser->post('/wp-login.php', [
            'log' => $login($c), 'pwd' => $c['password'], 'redirect_to' => "$web->url/wp-admin/", 'testcookie' => '1',
        ] + (($c['remember'] ?? false) ? ['rememberme' => 'forever'] : []));
        return match (true) {
            $answer['status'] === 302 => ['accepted' => true, 'session' => $browser->cookies('wordpress_')],
            str_contains($answer['body'], 'id="login_error"') => ['accepted' => false],
            default => throw new RuntimeException("wp-login.php answers {$answer['status']} " . strip_tags($answer['body'])),
        };
    },
    'session' => static function (array $c) use ($web) {
        $answer = (new Browser($web->url, $c['session']))->get('/wp-admin/profile.php');
        return match (true) {
            $answer['status'] === 200 && preg_match('/name="checkuser_id" value="(\d+)"/', $answer['body'], $user) === 1
                => ['user' => $user[1]],
            $answer['status'] === 302 && str_starts_with($answer['location'], "$web->url/wp-login.php") => ['user' => ''],
            default => throw new RuntimeException("profile.php answers {$answer['status']} {$answer['location']}"),
        };
    },
]);
