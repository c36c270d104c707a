package passhash_test

import "strings"

// vector is a hash made by somebody else.
type vector struct{ password, stored, name, recipe string }

// vectors are hashes made by the frameworks themselves, or by their own documentation and tests; how is told with each.
var vectors = []vector{
	// The reference implementation's own test (phc-winner-argon2, src/test.c), made again with argon2-cffi 21.1, which
	// wraps it: argon2.low_level.hash_secret(password, salt, t, m, p, length, Type.ID or Type.I).
	{"password", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "argon2id", "argon2id$m=65536,t=2,p=1"},
	{"password", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "argon2id", "argon2id$m=256,t=2,p=1"},
	{"password", "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc", "argon2id", "argon2id$m=256,t=2,p=2"},
	{"password", "$argon2id$v=19$m=65536,t=1,p=1$c29tZXNhbHQ$9qWtwbpyPd3vm1rB1GThgPzZ3/ydHL92zKL+15XZypg", "argon2id", "argon2id$m=65536,t=1,p=1"},
	{"password", "$argon2id$v=19$m=65536,t=4,p=1$c29tZXNhbHQ$kCXUjmjvc5XMqQedpMTsOv+zyJEf5PhtGiUghW9jFyw", "argon2id", "argon2id$m=65536,t=4,p=1"},
	{"differentpassword", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$C4TWUs9rDEvq7w3+J4umqA32aWKB1+DSiRuBfYxFj94", "argon2id", "argon2id$m=65536,t=2,p=1"},
	{"password", "$argon2id$v=19$m=65536,t=2,p=1$ZGlmZnNhbHQ$vfMrBczELrFdWP0ZsfhWsRPaHppYdP3MVEMIVlqoFBw", "argon2id", "argon2id$m=65536,t=2,p=1"},
	{"password", "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8", "argon2i", "argon2id$m=256,t=2,p=1"},
	// argon2-cffi in the same way, with passwords, salts and lengths of our own.
	{"密码パスワード🔑", "$argon2id$v=19$m=1024,t=3,p=4$c2l4dGVlbmJ5dGVzYWx0IQ$F1NhgT9ajCLPcjSFE5Tbng", "argon2id", "argon2id$m=1024,t=3,p=4"},
	{"", "$argon2id$v=19$m=8,t=1,p=1$c2l4dGVlbmJ5dGVzYWx0IQ$/2n8p++u+rgj73CfQNAIqI1yiop2nsd7c06TtAtI/bT3DvRVZw7STdMJbv1FDteMnfew6VjU6gsy/w+rrf9VXg", "argon2id", "argon2id$m=8,t=1,p=1"},
	// PHP 8.2: password_hash(…, PASSWORD_ARGON2ID or PASSWORD_ARGON2I, memory_cost 256, time_cost 2, threads 1).
	{"lètmein", "$argon2id$v=19$m=256,t=2,p=1$NEFvYkZlejZ0dE0wNGJSZA$evP4gm90WowwxoxqdQH3/O2f5QAn9rQoHx+pqiN3X38", "argon2id", "argon2id$m=256,t=2,p=1"},
	{"lètmein", "$argon2i$v=19$m=256,t=2,p=1$eWxnRWlpbTVrZzR1THNTNg$FUyP0e1bJRMftZBQUeIN6wDjWGFqr79eZdEyRdLGIA4", "argon2i", "argon2id$m=256,t=2,p=1"},

	// Django 3.2's Argon2PasswordHasher with time_cost 2, memory_cost 512 and parallelism 2.
	{"密码🔑", "argon2$argon2id$v=19$m=512,t=2,p=2$YWJjZGVmZ2hpamtsbW5vcHFyc3R1dg$OyIh0BgYwn6HD69NGC2HxA", "django_argon2", "django_argon2$m=512,t=2,p=2"},
	// Django's own test (tests/auth_tests/test_hashers.py, test_argon2): as it stored them before 3.2.
	{"secret", "argon2$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$YC9+jJCrQhs5R6db7LlN8Q", "argon2i", "django_argon2$m=8,t=1,p=1"},

	// Django 3.2: PBKDF2PasswordHasher().encode(password, salt, iterations).
	{"lètmein", "pbkdf2_sha256$260000$seasalt$YlZ2Vggtqdc61YjArZuoApoBh9JNGYoDRBUGu6tcJQo=", "pbkdf2_sha256", "pbkdf2_sha256$260000"},
	{"letmein7", "pbkdf2_sha256$1$abcdefghijkl$nUQpPi5BlJCg8gAuBnkhiOl9TStDv8xLzwh44RXE7iY=", "pbkdf2_sha256", "pbkdf2_sha256$1"},
	{"密码🔑", "pbkdf2_sha256$1000$ sel é$TaWpSNR/RpoI9wABTQlu0xifg4RmpnTubfNRDm88awE=", "pbkdf2_sha256", "pbkdf2_sha256$1000"},
	{"", "pbkdf2_sha256$29000$AbCdEfGhIjKlMnOpQrStUv$RkCyQVz4TvKxu+anIWUVkUb+kLtgjAIA/MOLvIhyj7g=", "pbkdf2_sha256", "pbkdf2_sha256$29000"},
	// Django's own test (test_low_level_pbkdf2_sha1), and PBKDF2SHA1PasswordHasher of Django 3.2.
	{"lètmein", "pbkdf2_sha1$390000$seasalt2$aDapRanzW8aHTz97v2TcfHzWD+I=", "pbkdf2_sha1", "pbkdf2_sha256$390000"},
	{"密码🔑", "pbkdf2_sha1$1000$abcdefghijkl$j8KfLiGoRIrMPmyVJmJDvmxLrB4=", "pbkdf2_sha1", "pbkdf2_sha256$1000"},
	// MORE

	// PHP 8.2: password_hash(…, PASSWORD_BCRYPT, ['cost' => 4]).
	{"lètmein", "$2y$04$sftjj879aevOVe3vuhvW2O3XiI.C35SVCnFD2AaFSSkHdZzYREkKi", "bcrypt", "bcrypt$2y$04"},
	// ruby-bcrypt 3.1.18: BCrypt::Password.create(…, cost: 4).
	{"密码🔑", "$2a$04$8vuTevxI8MFRWbDB.IjGIeE9bC9L1B8mnWJG90DDwLJLFUpKdjaF2", "bcrypt", "bcrypt$2a$04"},
	// Django 3.2's BCryptPasswordHasher and BCryptSHA256PasswordHasher with python3-bcrypt 3.2.2 and rounds 4.
	{"lètmein", "bcrypt$$2b$04$Ia6eh9rBdrv6EuTR3eZSf.THpW/tySCZTq0nTSY.AMhMRhRLz5xQm", "django_bcrypt", "django_bcrypt$2b$04"},
	{strings.Repeat("p", 100), "bcrypt_sha256$$2b$04$Zy7sIV0H0x.CHYiEJbv5MOoyTxGu19DzSfipoSnGQzsRLgvT0/s2u", "django_bcrypt_sha256", "django_bcrypt_sha256$2b$04"},
	// The Spring Security reference, "Password Storage", "DelegatingPasswordEncoder encoded passwords examples".
	{"password", "{bcrypt}$2a$10$dXJ3SW6G7P50lGmMkkmwe.20cQQubK3.HZWzG3YB1tlRy.fqvM/BG", "{bcrypt}", "{bcrypt}$2a$10"},
	// Spring's own test (Argon2PasswordEncoderTests, encodeWhenUsingPredictableSalt…) behind the two ids.
	{"sometestpassword", "{argon2}$argon2id$v=19$m=4096,t=3,p=1$QUFBQUFBQUFBQUFBQUFBQQ$hmmTNyJlwbb6HAvFoHFWF+u03fdb0F2qA+39oPlcAqo", "{argon2}", "{argon2}$m=4096,t=3,p=1"},
	{"sometestpassword", "{argon2@SpringSecurity_v5_8}$argon2id$v=19$m=512,t=5,p=4$QUFBQUFBQUFBQUFBQUFBQQ$PNv4C3K50bz3rmON+LtFpdisD7ePieLNq+l5iUHgc1k", "{argon2@SpringSecurity_v5_8}", "{argon2@SpringSecurity_v5_8}$m=512,t=5,p=4"},
	// PHP 8.2 running what wp_hash_password of WordPress 6.8 does, with cost 4:
	// '$wp' . password_hash(base64_encode(hash_hmac('sha384', $password, 'wp-sha384', true)), PASSWORD_BCRYPT, …).
	{"lètmein", "$wp$2y$04$b1tmz5V8C5Qy5QzNb7RsmeUnkY83lU.YsN2TM2IWojSHnBCcg7dMq", "wordpress", "wordpress$2y$04"},
	// WordPress 6.1's class-phpass.php: (new PasswordHash(8, true))->HashPassword(…), and with 7 instead of 8.
	{"lètmein", "$P$B9eCasDEana6XWn1PUxM/oiyxIQLbI1", "phpass", "bcrypt$2y$10"},
	{"密码🔑", "$P$ATAVdaGW0JzSYgJ7iVikY6yGgCoDkY.", "phpass", "bcrypt$2y$10"},
	// phpass's own test (test.php), and the same with phpBB's prefix, which the sum does not cover.
	{"test12345", "$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0", "phpass", "bcrypt$2y$10"},
	{"test12345", "$H$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0", "phpass", "bcrypt$2y$10"},
}
