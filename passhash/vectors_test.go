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
	{"password", "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8", "argon2i", "argon2i$m=256,t=2,p=1"},
	// argon2-cffi in the same way, with passwords, salts and lengths of our own.
	{"密码パスワード🔑", "$argon2id$v=19$m=1024,t=3,p=4$c2l4dGVlbmJ5dGVzYWx0IQ$F1NhgT9ajCLPcjSFE5Tbng", "argon2id", "argon2id$m=1024,t=3,p=4"},
	{"", "$argon2id$v=19$m=8,t=1,p=1$c2l4dGVlbmJ5dGVzYWx0IQ$/2n8p++u+rgj73CfQNAIqI1yiop2nsd7c06TtAtI/bT3DvRVZw7STdMJbv1FDteMnfew6VjU6gsy/w+rrf9VXg", "argon2id", "argon2id$m=8,t=1,p=1"},
	// PHP 8.2: password_hash(…, PASSWORD_ARGON2ID or PASSWORD_ARGON2I, memory_cost 256, time_cost 2, threads 1).
	{"lètmein", "$argon2id$v=19$m=256,t=2,p=1$NEFvYkZlejZ0dE0wNGJSZA$evP4gm90WowwxoxqdQH3/O2f5QAn9rQoHx+pqiN3X38", "argon2id", "argon2id$m=256,t=2,p=1"},
	{"lètmein", "$argon2i$v=19$m=256,t=2,p=1$eWxnRWlpbTVrZzR1THNTNg$FUyP0e1bJRMftZBQUeIN6wDjWGFqr79eZdEyRdLGIA4", "argon2i", "argon2i$m=256,t=2,p=1"},

	// Django 3.2's Argon2PasswordHasher with time_cost 2, memory_cost 512 and parallelism 2.
	{"密码🔑", "argon2$argon2id$v=19$m=512,t=2,p=2$YWJjZGVmZ2hpamtsbW5vcHFyc3R1dg$OyIh0BgYwn6HD69NGC2HxA", "django_argon2", "django_argon2$m=512,t=2,p=2"},
	// Django's own test (tests/auth_tests/test_hashers.py, test_argon2): as it stored them before 3.2.
	{"secret", "argon2$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$YC9+jJCrQhs5R6db7LlN8Q", "django_argon2", "django_argon2$m=8,t=1,p=1"},

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
	// The first accounts of RuoYi-Vue (sql/ry_*.sql), by BCryptPasswordEncoder; their password is in its README.
	{"admin123", "$2a$10$7JB720yubVSZvUI0rEqK/.VqGOZTH.ulu33dHOiBE8ByOhJIrdAu2", "bcrypt", "bcrypt$2a$10"},
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

	// Django's own tests (tests/auth_tests/test_hashers.py, test_scrypt): of 4.0 and, with p=5, of 5.1.
	{"lètmein", "scrypt$16384$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw==", "django_scrypt", "django_scrypt$n=16384,r=8,p=1"},
	{"lètmein", "scrypt$16384$seasalt$8$5$ECMIUp+LMxMSK8xB/IVyba+KYGTI7FTnet025q/1f/vBAVnnP3hdYqJuRi+mJn6ji6ze3Fbb7JEFPKGpuEf5vw==", "django_scrypt", "django_scrypt$n=16384,r=8,p=5"},
	// RFC 7914, section 12, second and third, as Werkzeug and Django would write them.
	{"password", "scrypt:1024:8:16$NaCl$fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640", "werkzeug_scrypt", "werkzeug_scrypt$n=1024,r=8,p=16"},
	{"pleaseletmein", "scrypt:16384:8:1$SodiumChloride$7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887", "werkzeug_scrypt", "werkzeug_scrypt$n=16384,r=8,p=1"},
	{"password", "scrypt$1024$NaCl$8$16$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA==", "django_scrypt", "django_scrypt$n=1024,r=8,p=16"},
	// Python 3.11's hashlib.scrypt with the arguments of Werkzeug 3.0's _hash_internal.
	{"密码🔑", "scrypt:32768:8:1$abcdefghijklmnop$613743f15a016e9e3fad98de4200db2cacb0ec26d45cafe423f9c9db3cf7fa20848ccca43fbfc0088f86da5fe4143a2fbad02e9d70ad9df6ea6687b2ffb669d9", "werkzeug_scrypt", "werkzeug_scrypt$n=32768,r=8,p=1"},
	// Werkzeug 2.2.2: generate_password_hash(…, "pbkdf2:sha256:1000"), also with sha512 and sha1.
	{"lètmein", "pbkdf2:sha256:1000$mfqHrFulyLxu3iuw$1889c26938324a91338fc16a6f1f202f6523ff8eba47bf83a1b040e4ecb5ae1c", "werkzeug_pbkdf2_sha256", "werkzeug_pbkdf2_sha256$1000"},
	{"lètmein", "pbkdf2:sha512:1000$0JIjthWajwQSEcla$155300bdd1541b96874abc50af9a568a75b4502934ecf557ce369d876d5dec0b95447234a80ba89952628e7e4fc91b6da1326882340cb8519b4fce858ac498e2", "werkzeug_pbkdf2_sha512", "werkzeug_pbkdf2_sha512$1000"},
	{"lètmein", "pbkdf2:sha1:1000$7iuOQyfvsPidLI8a$1641da85239885baa67f3c541319e2670c4db8ad", "werkzeug_pbkdf2_sha1", "werkzeug_pbkdf2_sha256$1000"},

	// The Spring Security reference, "DelegatingPasswordEncoder encoded passwords examples".
	{"password", "{pbkdf2}5d923b44a6d129f3ddf3e3c8d29412723dcbde72445e8ef6bf3b508fbf17fa4ed4d6b99ca763d8dc", "{pbkdf2}", "{pbkdf2}"},
	{"password", "{scrypt}$e0801$8bWJaSu2IKSn9Z9kM+TPXfOc/9bdYSrN1oD9qfVThWEwdRTnO7re7Ei+fUZRJ68k9lTyuTeUp4of4g24hHnazw==$OAOec05+bXxvuu/1qZ6NUR+xQYvYv7BeL1QxwRpY5Pc=", "{scrypt}", "{scrypt}$n=16384,r=8,p=1"},
	// Python 3.11's hashlib.pbkdf2_hmac and hashlib.scrypt with the arguments of the encoders' _v5_8 and the salt
	// 00 01 … 0f, written as they write it.
	{"密码🔑", "{pbkdf2@SpringSecurity_v5_8}000102030405060708090a0b0c0d0e0f8b5688432726f24d9d2d5c73457603a4e52067b574a28659154281f7aac03216", "{pbkdf2@SpringSecurity_v5_8}", "{pbkdf2@SpringSecurity_v5_8}"},
	{"密码🔑", "{scrypt@SpringSecurity_v5_8}$100801$AAECAwQFBgcICQoLDA0ODw==$s6yUnrPbyhaUNccT+Nw3EClrh0edsiitkYQINgDPOfU=", "{scrypt@SpringSecurity_v5_8}", "{scrypt@SpringSecurity_v5_8}$n=65536,r=8,p=1"},

	// ASP.NET Core's own tests (Identity, PasswordHasherTest.cs).
	{"my password", "AQAAAAAAAAD6AAAAEAhftMyfTJylOlZT+eEotFXd1elee8ih5WsjXaR3PA9M", "aspnet_sha1", "aspnet_sha256$250"},
	{"my password", "AQAAAAEAACcQAAAAEAABAgMEBQYHCAkKCwwNDg+yWU7rLgUwPZb1Itsmra7cbxw2EFpwpVFIEtP+JIuUEw==", "aspnet_sha256", "aspnet_sha256$10000"},
	{"my password", "AQAAAAEAA9CQAAAAIESkQuj2Du8Y+kbc5lcN/W/3NiAZFEm11P27nrSN5/tId+bR1SwV8CO1Jd72r4C08OLvplNlCDc3oQZ8efcW+jQ=", "aspnet_sha256", "aspnet_sha256$250000"},
	{"my password", "AQAAAAIAAAAyAAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4B6pZWND6zgESBuWiHw", "aspnet_sha512", "aspnet_sha512$50"},
	{"my password", "AQAAAAIAAAD6AAAAIJbVi5wbMR+htSfFp8fTw8N8GOS/Sje+S/4YZcgBfU7EQuqv4OkVYmc4VJl9AGZzmRTxSkP7LtVi9IWyUxX8IAAfZ8v+ZfhjCcudtC1YERSqE1OEdXLW9VukPuJWBBjLuw==", "aspnet_sha512", "aspnet_sha512$250"},
	{"my password", "AQAAAAIAAYagAAAAEAABAgMEBQYHCAkKCwwNDg/Q8A0WMKbtHQJQ2DHCdoEeeFBrgNlldq6vH4qX/CGqGQ==", "aspnet_sha512", "aspnet_sha512$100000"},
}

// legacyVectors have no recipe. Those of Django are of its own tests (tests/auth_tests/test_hashers.py: test_md5, test_sha1,
// test_unsalted_md5, test_unsalted_sha1), made again with Django 3.2; that of Spring is of its reference.
var legacyVectors = []vector{
	{"lètmein", "md5$seasalt$3f86d0d3d465b7b458c231bf3555c0e3", "md5", ""},
	{"lètmein", "sha1$seasalt$cff36ea83f5706ce9aa7454e63e431fc726b2dc8", "sha1", ""},
	{"lètmein", "88a434c88cca4e900f7874cd98123f43", "unsalted_md5", ""},
	{"lètmein", "md5$$88a434c88cca4e900f7874cd98123f43", "unsalted_md5", ""},
	{"lètmein", "sha1$$6d138ca3ae545631b3abd71a4f076ce759c5700b", "unsalted_sha1", ""},
	// The same without its prefix, as home-made sites store it; and `echo -n password | md5sum` in capitals.
	{"lètmein", "6d138ca3ae545631b3abd71a4f076ce759c5700b", "unsalted_sha1", ""},
	{"password", "5F4DCC3B5AA765D61D8327DEB882CF99", "unsalted_md5", ""},
	{"password", "{noop}password", "{noop}", ""},
}
