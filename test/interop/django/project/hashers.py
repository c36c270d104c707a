"""The formats that users are made in: each a list of PASSWORD_HASHERS whose first makes new hashes."""

import base64
import hashlib

from django.contrib.auth import hashers
from django.utils.crypto import constant_time_compare


class MillionPBKDF2(hashers.PBKDF2PasswordHasher):
    """A project that has raised the count, as Django's documentation says how to."""

    iterations = 1_000_000


class OldPBKDF2(hashers.PBKDF2PasswordHasher):
    """The count of Django 1.11, for rows that nobody has signed in to since."""

    iterations = 36_000


class OldArgon2(hashers.Argon2PasswordHasher):
    """The costs of Django 1.10 to 3.1."""

    time_cost = 2
    memory_cost = 512
    parallelism = 2


class Scrypt(hashers.BasePasswordHasher):
    """What ScryptPasswordHasher of Django 4.0 stores and accepts, over the same hashlib.scrypt, for a Django without it."""

    algorithm = "scrypt"
    block_size = 8
    maxmem = 0
    parallelism = 1
    work_factor = 2**14

    def encode(self, password, salt, n=None, r=None, p=None):
        n, r, p = n or self.work_factor, r or self.block_size, p or self.parallelism
        derived = hashlib.scrypt(password.encode(), salt=salt.encode(), n=n, r=r, p=p, maxmem=self.maxmem, dklen=64)
        return f"{self.algorithm}${n}${salt}${r}${p}${base64.b64encode(derived).decode('ascii').strip()}"

    def decode(self, encoded):
        algorithm, work_factor, salt, block_size, parallelism, hash_ = encoded.split("$", 6)
        assert algorithm == self.algorithm
        return {
            "algorithm": algorithm,
            "work_factor": int(work_factor),
            "salt": salt,
            "block_size": int(block_size),
            "parallelism": int(parallelism),
            "hash": hash_,
        }

    def verify(self, password, encoded):
        decoded = self.decode(encoded)
        again = self.encode(
            password, decoded["salt"], decoded["work_factor"], decoded["block_size"], decoded["parallelism"]
        )
        return constant_time_compare(encoded, again)

    def must_update(self, encoded):
        decoded = self.decode(encoded)
        return (decoded["work_factor"], decoded["block_size"], decoded["parallelism"]) != (
            self.work_factor,
            self.block_size,
            self.parallelism,
        )

    def harden_runtime(self, password, encoded):
        """Verifying costs what the stored hash says; Django does nothing here either."""


THEIRS = "django.contrib.auth.hashers."

FORMATS = {
    "pbkdf2_sha256": THEIRS + "PBKDF2PasswordHasher",
    "pbkdf2_sha256 of 1,000,000": "project.hashers.MillionPBKDF2",
    "pbkdf2_sha256 of 36,000": "project.hashers.OldPBKDF2",
    "pbkdf2_sha1": THEIRS + "PBKDF2SHA1PasswordHasher",
    "argon2": THEIRS + "Argon2PasswordHasher",
    "argon2 of 512 KiB": "project.hashers.OldArgon2",
    "bcrypt_sha256": THEIRS + "BCryptSHA256PasswordHasher",
    "bcrypt": THEIRS + "BCryptPasswordHasher",
    "scrypt": THEIRS + "ScryptPasswordHasher" if hasattr(hashers, "ScryptPasswordHasher") else "project.hashers.Scrypt",
    "sha1": THEIRS + "SHA1PasswordHasher",
    "md5": THEIRS + "MD5PasswordHasher",
    "unsalted_sha1": THEIRS + "UnsaltedSHA1PasswordHasher",
    "unsalted_md5": THEIRS + "UnsaltedMD5PasswordHasher",
}


def password_hashers(name):
    """PASSWORD_HASHERS of a project that makes hashes in the format of that name and reads all others."""
    first = FORMATS[name]
    algorithm = name.split(" ")[0]
    return [first] + [path for other, path in FORMATS.items() if " " not in other and other != algorithm]
