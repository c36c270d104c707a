package userdb

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"rekey/passhash"
)

// samples are a hash of each format that package passhash knows, in the format's shortest form.
func samples() []string {
	const bcrypt = "$2b$04$sftjj879aevOVe3vuhvW2O3XiI.C35SVCnFD2AaFSSkHdZzYREkKi"
	const argon = "$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	return []string{
		"$argon2id" + argon, "$argon2i" + argon, "argon2$argon2id" + argon, "{argon2}$argon2id" + argon, "{argon2@SpringSecurity_v5_8}$argon2id" + argon,
		bcrypt, "bcrypt$" + bcrypt, "bcrypt_sha256$" + bcrypt, "{bcrypt}" + bcrypt, "$wp" + strings.Replace(bcrypt, "2b", "2y", 1),
		"pbkdf2_sha256$1$abcdefghijkl$nUQpPi5BlJCg8gAuBnkhiOl9TStDv8xLzwh44RXE7iY=", "pbkdf2_sha1$1$abcdefghijkl$j8KfLiGoRIrMPmyVJmJDvmxLrB4=",
		"scrypt$1024$NaCl$8$16$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA==",
		"{pbkdf2}5d923b44a6d129f3ddf3e3c8d29412723dcbde72445e8ef6bf3b508fbf17fa4ed4d6b99ca763d8dc",
		"{pbkdf2@SpringSecurity_v5_8}000102030405060708090a0b0c0d0e0f8b5688432726f24d9d2d5c73457603a4e52067b574a28659154281f7aac03216",
		"{scrypt}$e0801$AAECAwQFBgcICQoLDA0ODw==$s6yUnrPbyhaUNccT+Nw3EClrh0edsiitkYQINgDPOfU=",
		"{scrypt@SpringSecurity_v5_8}$100801$AAECAwQFBgcICQoLDA0ODw==$s6yUnrPbyhaUNccT+Nw3EClrh0edsiitkYQINgDPOfU=",
		"$P$B9eCasDEana6XWn1PUxM/oiyxIQLbI1",
		"md5$seasalt$3f86d0d3d465b7b458c231bf3555c0e3", "sha1$seasalt$cff36ea83f5706ce9aa7454e63e431fc726b2dc8",
		"88a434c88cca4e900f7874cd98123f43", "6d138ca3ae545631b3abd71a4f076ce759c5700b", "{noop}password",
	}
}

// A name in a preset that package passhash does not know would keep everybody with such a hash out.
func TestWhatThePresetsReadAndMakeIsKnown(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, stored := range samples() {
		hash, err := passhash.Parse(stored)
		if err == nil {
			known[hash.Name()] = true
			continue
		}
		legacy, err := passhash.ParseLegacy(stored)
		if err != nil {
			t.Fatalf("%s: %v", stored, err)
		}
		known[legacy.Name()] = true
	}
	for name, p := range presets() {
		for _, format := range p.reads {
			if !known[format] {
				t.Errorf("%s reads %s, which nobody knows; known are %v", name, format, slices.Sorted(maps.Keys(known)))
			}
		}
		if p.hash == "" {
			if name != "custom" {
				t.Errorf("%s makes nothing", name)
			}
			continue
		}
		recipe, err := passhash.ParseRecipe(p.hash)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(p.reads) > 0 && !slices.Contains(p.reads, recipe.Name()) {
			t.Errorf("%s makes %s and does not read it", name, recipe)
		}
		if err := passhash.NewPool(0).Fits(recipe); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
