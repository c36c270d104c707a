<?php
/**
 * Plugin Name: Users are not cached
 * Description: Keeps rows of users and what stands beside them out of persistent object caches, since rekey changes them without WordPress.
 */

wp_cache_add_non_persistent_groups( array( 'users', 'user_meta' ) );
