"""Password hashes as frameworks write them that are not at hand, by libraries that rekey has nothing to do with."""

import base64
import hashlib
import hmac
import os
import secrets
import struct

import argon2.low_level
import bcrypt
import werkzeug.security


class Bcrypt:
    def __init__(self, cost, minor=b"2a"):
        self.cost, self.minor = cost, minor

    def make(self, password):
        return bcrypt.hashpw(password, bcrypt.gensalt(self.cost, self.minor)).decode()

    def verify(self, password, stored):
        # As Java's and Go's do, and unlike C's: no more than the hash can hold.
        return len(password) <= 72 and bcrypt.checkpw(password, stored.encode())


class Argon2:
    """Spring's Argon2PasswordEncoder."""

    def __init__(self, memory, passes):
        self.memory, self.passes = memory, passes

    def make(self, password):
        type_ = argon2.low_level.Type.ID
        return argon2.low_level.hash_secret(password, os.urandom(16), self.passes, self.memory, 1, 32, type_).decode()

    def verify(self, password, stored):
        try:
            return argon2.low_level.verify_secret(stored.encode(), password, argon2.low_level.Type.ID)
        except argon2.exceptions.VerifyMismatchError:
            return False


class Scrypt:
    """Spring's SCryptPasswordEncoder: $COSTS$SALT$SUM, the costs as one number in hexadecimal."""

    def __init__(self, log2n, salt):
        self.costs, self.salt = log2n << 16 | 8 << 8 | 1, salt

    @staticmethod
    def sum(password, salt, costs, length):
        n, r, p = 1 << (costs >> 16 & 0xFFFF), costs >> 8 & 0xFF, costs & 0xFF
        return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=1 << 28, dklen=length)

    def make(self, password):
        salt = os.urandom(self.salt)
        parts = (salt, self.sum(password, salt, self.costs, 32))
        return "$%x$%s$%s" % (self.costs, *(base64.b64encode(b).decode() for b in parts))

    def verify(self, password, stored):
        _, costs, salt, stored = stored.split("$")
        stored = base64.b64decode(stored, validate=True)
        # The encoder makes 32 bytes, whatever it is shown.
        made = self.sum(password, base64.b64decode(salt, validate=True), int(costs, 16), 32)
        return hmac.compare_digest(made, stored)


class Pbkdf2:
    """Spring's Pbkdf2PasswordEncoder without a secret: salt and sum in hexadecimal, and the costs are the encoder's."""

    def __init__(self, digest, iterations, salt):
        self.digest, self.iterations, self.salt = digest, iterations, salt

    def make(self, password, salt=None):
        salt = salt or os.urandom(self.salt)
        return (salt + hashlib.pbkdf2_hmac(self.digest, password, salt, self.iterations, 32)).hex()

    def verify(self, password, stored):
        return hmac.compare_digest(self.make(password, bytes.fromhex(stored)[: self.salt]), stored)


class Plain:
    """Spring's NoOpPasswordEncoder."""

    def make(self, password):
        return password.decode()

    def verify(self, password, stored):
        return hmac.compare_digest(password, stored.encode())


class Werkzeug:
    """Werkzeug itself, as Flask applications call it."""

    def __init__(self, method):
        self.method = method

    def make(self, password):
        return werkzeug.security.generate_password_hash(password.decode(), self.method)

    def verify(self, password, stored):
        return werkzeug.security.check_password_hash(stored, password.decode())


class WerkzeugScrypt:
    """What Werkzeug makes by default and accepts since 3.0, over the same hashlib.scrypt, for a Werkzeug without it."""

    def make(self, password, salt=None, n=1 << 15, r=8, p=1):
        salt = salt or secrets.token_hex(8)
        derived = hashlib.scrypt(password, salt=salt.encode(), n=n, r=r, p=p, maxmem=132 * n * r * p)
        return f"scrypt:{n}:{r}:{p}${salt}${derived.hex()}"

    def verify(self, password, stored):
        method, salt, _ = stored.split("$", 2)
        return hmac.compare_digest(self.make(password, salt, *map(int, method.split(":")[1:])), stored)


class ASPNET:
    """ASP.NET Core's PasswordHasher: HashPasswordV3 and VerifyHashedPasswordV3."""

    DIGESTS = ("sha1", "sha256", "sha512")

    def __init__(self, digest, iterations):
        self.prf, self.iterations = self.DIGESTS.index(digest), iterations

    def make(self, password):
        salt = os.urandom(16)
        derived = hashlib.pbkdf2_hmac(self.DIGESTS[self.prf], password, salt, self.iterations, 32)
        return base64.b64encode(struct.pack(">BIII", 1, self.prf, self.iterations, 16) + salt + derived).decode()

    def verify(self, password, stored):
        stored = base64.b64decode(stored, validate=True)
        version, prf, iterations, length = struct.unpack_from(">BIII", stored)
        salt, derived = stored[13 : 13 + length], stored[13 + length :]
        if version != 1 or length < 16 or len(derived) < 16:
            return False
        again = hashlib.pbkdf2_hmac(self.DIGESTS[prf], password, salt, iterations, len(derived))
        return hmac.compare_digest(again, derived)


class SaltedMD5:
    """What an application of 2005 made up for itself."""

    def make(self, password, salt=None):
        salt = salt or secrets.token_hex(4)
        return f"md5:{salt}:{hashlib.md5(salt.encode() + password).hexdigest()}"

    def verify(self, password, stored):
        return hmac.compare_digest(self.make(password, stored.split(":")[1]), stored)


# What an application with a table of its own reads, by the name of the format and by what its hashes begin with.
OWN = {
    "bcrypt": ("$2b$", Bcrypt(10, b"2b")),
    "werkzeug scrypt": ("scrypt:", WerkzeugScrypt()),
    "werkzeug pbkdf2": ("pbkdf2:sha256:", Werkzeug("pbkdf2:sha256")),
    "werkzeug pbkdf2 sha512": ("pbkdf2:sha512:", Werkzeug("pbkdf2:sha512:50000")),
    "werkzeug pbkdf2 sha1": ("pbkdf2:sha1:", Werkzeug("pbkdf2:sha1:1000")),
    "aspnet": ("AQAAAAI", ASPNET("sha512", 100_000)),
    "aspnet before .NET 7": ("AQAAAAE", ASPNET("sha256", 10_000)),
    "salted md5": ("md5:", SaltedMD5()),
}


def own_make(format, password):
    return OWN[format][1].make(password)


def own_verify(password, stored):
    for begin, hasher in OWN.values():
        if stored.startswith(begin):
            return hasher.verify(password, stored)
    raise ValueError("the application does not read this hash")


# What PasswordEncoderFactories.createDelegatingPasswordEncoder knows, but for what rekey does not read.
SPRING = {
    "bcrypt": Bcrypt(10),
    "argon2": Argon2(1 << 12, 3),
    "argon2@SpringSecurity_v5_8": Argon2(1 << 14, 2),
    "scrypt": Scrypt(14, 64),
    "scrypt@SpringSecurity_v5_8": Scrypt(16, 16),
    "pbkdf2": Pbkdf2("sha1", 185_000, 8),
    "pbkdf2@SpringSecurity_v5_8": Pbkdf2("sha256", 310_000, 16),
    "noop": Plain(),
}


def delegating_make(format, password):
    return "{%s}%s" % (format, SPRING[format].make(password))


def delegating_verify(password, stored):
    """DelegatingPasswordEncoder.matches, which throws if there is no id that it knows."""
    id, brace, rest = stored.removeprefix("{").partition("}")
    if not brace or not stored.startswith("{"):
        raise ValueError("there is no PasswordEncoder mapped for the id null")
    return SPRING[id].verify(password, rest)
