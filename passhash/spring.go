package passhash

// Spring Security's DelegatingPasswordEncoder writes {id} before the hash and reads each hash with the encoder of that
// id; PasswordEncoderFactories (crypto/factory) says which those are. An id is kept as found, since an older Spring
// does not know those with @SpringSecurity_v5_8. Their costs are read from the hash where it has them.
var (
	// BCryptPasswordEncoder with its default strength.
	springBcrypt = &bcryptDialect{name: "{bcrypt}", prefix: "{bcrypt}", least: bcryptCosts{'a', bcryptLeastCost}}

	// Argon2PasswordEncoder.defaultsForSpringSecurity_v5_2 and _v5_8. Both have costs below argon2Least.
	springArgon2   = &argon2Dialect{name: "{argon2}", prefix: "{argon2}", least: argon2Least}
	springArgon2v8 = &argon2Dialect{name: "{argon2@SpringSecurity_v5_8}", prefix: "{argon2@SpringSecurity_v5_8}", least: argon2Least}
)
