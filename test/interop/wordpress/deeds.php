<?php

// What the peer does with WordPress' own functions, in a process of its own, as a command of WP-CLI would: the site's
// folder, its URL and the name of the deed are arguments, the command is a JSON object on stdin, the answer one on stdout.

[, $site, $url, $deed] = $argv;
$command = json_decode( stream_get_contents( STDIN ), true, 8, JSON_THROW_ON_ERROR );

define( 'WP_INSTALLING', 'setup' === $deed ); // as wp-admin/install.php does
$_SERVER += array(
	'HTTP_HOST'       => parse_url( $url, PHP_URL_HOST ) . ':' . parse_url( $url, PHP_URL_PORT ),
	'SERVER_PROTOCOL' => 'HTTP/1.1',
	'REQUEST_METHOD'  => 'GET',
);
require $site . '/wp-load.php';

/** Throws what WordPress returns. */
function value( $result ) {
	if ( is_wp_error( $result ) ) {
		throw new RuntimeException( $result->get_error_message() );
	}
	if ( ! $result ) {
		throw new RuntimeException( 'WordPress refuses without a reason' );
	}
	return $result;
}

// What each hasher stores for a password, which it gets with backslashes as the forms leave them.
$hashes = array(
	'md5'       => 'md5', // up to 2.4
	'phpass'    => fn ( $password ) => ( new PasswordHash( 8, true ) )->HashPassword( $password ), // up to 6.7
	'bcrypt'    => fn ( $password ) => password_hash( $password, PASSWORD_BCRYPT ), // such as of wp-password-bcrypt
	'wordpress' => 'wp_hash_password', // with passwords-of-6.8.php
	'none'      => fn () => '',
);
require_once ABSPATH . WPINC . '/class-phpass.php';

$deeds = array(
	'setup'   => function () {
		require ABSPATH . 'wp-admin/includes/upgrade.php';
		wp_install( 'Peer', 'admin', 'admin@example.com', false, '', wp_slash( wp_generate_password() ) );
		return array();
	},
	// As wp-admin/network/setup.php does, whose constants wp-config.php has from then on.
	'network' => function () use ( $wpdb ) {
		foreach ( $wpdb->tables( 'ms_global' ) as $table => $prefixed ) {
			$wpdb->$table = $prefixed;
		}
		require ABSPATH . 'wp-admin/includes/upgrade.php';
		require ABSPATH . 'wp-admin/includes/network.php';
		install_network();
		value( populate_network( 1, $_SERVER['HTTP_HOST'], 'admin@example.com', 'Peers', '/', false ) );
		return array();
	},
	'add'     => function ( $c ) use ( $hashes, $wpdb ) {
		if ( ! isset( $hashes[ $c['format'] ] ) ) {
			throw new DomainException( "WordPress has no format {$c['format']}" );
		}
		$password = wp_slash( trim( $c['password'] ) ); // as wp-admin/user-new.php and wp-login.php hand it on
		$id       = value(
			wp_insert_user(
				array(
					'user_login' => $c['login'],
					'user_email' => $c['login'] . '@example.com',
					'user_pass'  => $password,
				)
			)
		);
		value( add_user_meta( $id, 'mobile', $c['mobile'] ) );
		$hash = $hashes[ $c['format'] ]( $password );
		value( $wpdb->update( $wpdb->users, array( 'user_pass' => $hash ), array( 'ID' => $id ) ) );
		if ( ! $c['active'] ) {
			value( wp_update_user( array( 'ID' => $id, 'spam' => '1' ) ) ); // fails without a network
		}
		return array( 'id' => (string) $id );
	},
	// As wp-login.php does at the end of "Lost your password?".
	'reset'   => function ( $c ) {
		reset_password( value( get_user_by( 'login', $c['login'] ) ), wp_slash( trim( $c['password'] ) ) );
		return array();
	},
	// The key in the link of a mail, valid for a day, and whether it still is.
	'link'    => function ( $c ) {
		return array( 'session' => value( get_password_reset_key( value( get_user_by( 'login', $c['login'] ) ) ) ) );
	},
	'follow'  => function ( $c ) {
		return array( 'accepted' => ! is_wp_error( check_password_reset_key( $c['session'], $c['login'] ) ) );
	},
	'meta'    => function ( $c ) {
		value( add_user_meta( (int) $c['id'], $c['key'], $c['value'] ) );
		return array();
	},
);

echo json_encode( (object) $deeds[ $deed ]( $command ), JSON_THROW_ON_ERROR );
