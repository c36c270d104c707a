<?php
/**
 * Plugin Name: Object cache in a file
 * Description: A persistent object cache, as sites have it in Redis or Memcached: WordPress' own WP_Object_Cache, whose groups outlive the request but for those that were declared not to.
 */

require_once ABSPATH . WPINC . '/class-wp-object-cache.php';

final class Object_Cache_In_A_File extends WP_Object_Cache {
	private $file;
	private $fleeting = array();

	public function __construct( $file ) {
		parent::__construct();
		$this->file = $file;
		if ( is_file( $file ) ) {
			$this->cache = unserialize( file_get_contents( $file ) );
		}
	}

	public function forget( $groups ) {
		foreach ( (array) $groups as $group ) {
			$this->fleeting[ $group ] = true;
			$this->flush_group( $group );
		}
	}

	public function keep() {
		file_put_contents( $this->file, serialize( array_diff_key( $this->cache, $this->fleeting ) ), LOCK_EX );
	}
}

function wp_cache_init() {
	$GLOBALS['wp_object_cache'] = new Object_Cache_In_A_File( WP_CONTENT_DIR . '/cache.bin' );
}

function wp_cache_add_non_persistent_groups( $groups ) {
	$GLOBALS['wp_object_cache']->forget( $groups );
}

function wp_cache_close() {
	$GLOBALS['wp_object_cache']->keep();
	return true;
}

function wp_cache_add( $key, $data, $group = '', $expire = 0 ) {
	return $GLOBALS['wp_object_cache']->add( $key, $data, $group, (int) $expire );
}

function wp_cache_replace( $key, $data, $group = '', $expire = 0 ) {
	return $GLOBALS['wp_object_cache']->replace( $key, $data, $group, (int) $expire );
}

function wp_cache_set( $key, $data, $group = '', $expire = 0 ) {
	return $GLOBALS['wp_object_cache']->set( $key, $data, $group, (int) $expire );
}

function wp_cache_get( $key, $group = '', $force = false, &$found = null ) {
	return $GLOBALS['wp_object_cache']->get( $key, $group, $force, $found );
}

function wp_cache_delete( $key, $group = '' ) {
	return $GLOBALS['wp_object_cache']->delete( $key, $group );
}

function wp_cache_incr( $key, $offset = 1, $group = '' ) {
	return $GLOBALS['wp_object_cache']->incr( $key, $offset, $group );
}

function wp_cache_decr( $key, $offset = 1, $group = '' ) {
	return $GLOBALS['wp_object_cache']->decr( $key, $offset, $group );
}

function wp_cache_flush() {
	return $GLOBALS['wp_object_cache']->flush();
}

function wp_cache_add_global_groups( $groups ) {
	$GLOBALS['wp_object_cache']->add_global_groups( $groups );
}

function wp_cache_switch_to_blog( $blog_id ) {
	$GLOBALS['wp_object_cache']->switch_to_blog( $blog_id );
}
