<?php
/**
 * Plugin Name: Passwords of WordPress 6.8
 * Description: wp_hash_password and wp_check_password, which plugins may replace, as WordPress has them since 6.8, and the new hash that its login stores where an older one was right.
 */

// These are not WordPress' own lines but the same steps with the same functions of PHP: password_hash over the base64 of
// an HMAC-SHA-384, "$wp" before what comes out; what has neither that nor "$P$" before it goes to password_verify.

function wp_hash_password( $password ) {
	if ( strlen( $password ) > 4096 ) {
		return '*';
	}
	return '$wp' . password_hash( wp_password_for_bcrypt( trim( $password ) ), PASSWORD_BCRYPT );
}

function wp_check_password( $password, $hash, $user_id = '' ) {
	if ( strlen( $hash ) <= 32 ) {
		$check = hash_equals( $hash, md5( $password ) );
	} elseif ( strlen( $password ) > 4096 ) {
		$check = false;
	} elseif ( str_starts_with( $hash, '$wp' ) ) {
		$check = password_verify( wp_password_for_bcrypt( $password ), substr( $hash, 3 ) );
	} elseif ( str_starts_with( $hash, '$P$' ) ) {
		require_once ABSPATH . WPINC . '/class-phpass.php';
		$check = ( new PasswordHash( 8, true ) )->CheckPassword( $password, $hash );
	} else {
		$check = password_verify( $password, $hash );
	}
	return apply_filters( 'check_password', $check, $password, $hash, $user_id );
}

function wp_password_for_bcrypt( $password ) {
	return base64_encode( hash_hmac( 'sha384', $password, 'wp-sha384', true ) );
}

add_filter(
	'authenticate',
	function ( $user, $username, $password ) {
		if ( $user instanceof WP_User && ! str_starts_with( $user->user_pass, '$wp$2y$' ) ) {
			wp_set_password( $password, $user->ID );
			$user = get_userdata( $user->ID );
		}
		return $user;
	},
	21, // after wp_authenticate_username_password
	3
);
