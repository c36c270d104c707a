package passhash

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
)

// ASP.NET Core Identity, version 3 (Extensions.Core/src/PasswordHasher.cs), in base64 with padding: the byte 1; then,
// each in 4 bytes, the highest first, the pseudo-random function (0, 1 or 2: HMAC over SHA-1, SHA-256 or SHA-512), the
// iterations and the length of the salt; the salt; the subkey. SHA-256 was the default before .NET 7 and SHA-512 is
// since; every version reads all three. Hashes over SHA-1, which no version made by default, are replaced by SHA-256.
// Version 2, the byte 0, is not known here.
var (
	aspnetSHA256 = aspnet(overSHA256, 1)
	aspnetSHA512 = aspnet(overSHA512, 2)
)

const (
	// aspnetPrefix are the byte 1 and the high bytes of a small number, in base64.
	aspnetPrefix = "AQAAAA"
	aspnetHeader = 1 + 3*4

	// HashPasswordV3 makes salts of 16 bytes and subkeys of 32; VerifyHashedPasswordV3 refuses less than 16 of either.
	// The framework's tests go up to 32 and 64.
	aspnetSalt, aspnetSum          = 16, 32
	aspnetMinBytes, aspnetMaxBytes = 16, 64
)

func aspnet(digest *pbkdf2Digest, prf uint32) *pbkdf2Dialect {
	return &pbkdf2Dialect{
		name:   "aspnet_" + digest.name,
		digest: digest,
		sum:    aspnetSum,
		salt:   func() string { return randomBytes(aspnetSalt) },
		write: func(iterations uint32, salt string, sum []byte) string {
			b := []byte{1}
			b = binary.BigEndian.AppendUint32(b, prf)
			b = binary.BigEndian.AppendUint32(b, iterations)
			b = binary.BigEndian.AppendUint32(b, uint32(len(salt)))
			b = append(append(b, salt...), sum...)
			return base64.StdEncoding.EncodeToString(b)
		},
	}
}

func parseASPNET(stored string) (Hash, error) {
	b, err := base64Bytes("hash", base64.StdEncoding, stored)
	if err != nil {
		return nil, err
	}
	if len(b) < aspnetHeader || b[0] != 1 {
		return nil, fmt.Errorf("%w: not of ASP.NET Core Identity, version 3", ErrMalformed)
	}
	prf, iterations, length := binary.BigEndian.Uint32(b[1:]), binary.BigEndian.Uint32(b[5:]), binary.BigEndian.Uint32(b[9:])
	digests := []*pbkdf2Digest{overSHA1, overSHA256, overSHA512}
	if prf >= uint32(len(digests)) {
		return nil, fmt.Errorf("%w: the pseudo-random function must be 0 to 2", ErrMalformed)
	}
	if most := digests[prf].most; iterations < 1 || iterations > most {
		return nil, fmt.Errorf("%w: the iterations must be 1 to %d", ErrBounds, most)
	}
	if length < aspnetMinBytes || length > aspnetMaxBytes {
		return nil, fmt.Errorf("%w: the salt must be %d to %d bytes", ErrBounds, aspnetMinBytes, aspnetMaxBytes)
	}
	if len(b) < aspnetHeader+int(length) {
		return nil, fmt.Errorf("%w: the salt is cut off", ErrMalformed)
	}
	salt, sum := b[aspnetHeader:aspnetHeader+length], b[aspnetHeader+length:]
	if err := within("subkey", sum, aspnetMinBytes, aspnetMaxBytes); err != nil {
		return nil, err
	}
	switch prf {
	case 1:
		return aspnetSHA256.parsed(iterations, salt, sum), nil
	case 2:
		return aspnetSHA512.parsed(iterations, salt, sum), nil
	default:
		return aspnetSHA256.succeeds("aspnet_sha1", iterations, salt, sum), nil
	}
}
