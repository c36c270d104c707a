"""A custom user model from nothing, as large projects have it."""

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.utils import timezone


class Manager(BaseUserManager):
    def create_user(self, mobile, password=None, **fields):
        user = self.model(mobile=mobile, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user


def totp_secret():
    return bytes(range(256))


def profile():
    return {"name": "李 \"雷\"", "score": 1.0, "tags": ["a", None, {"b": False}]}


class User(AbstractBaseUser, PermissionsMixin):
    """Signs in by the number. A reset must leave everything but the password and the time of its change alone."""

    mobile = models.CharField(max_length=20, unique=True)
    email = models.EmailField(blank=True)
    nickname = models.CharField(max_length=40, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    date_joined = models.DateTimeField(default=timezone.now)
    password_changed_at = models.DateTimeField(null=True)
    totp_secret = models.BinaryField(default=totp_secret)
    totp_enabled = models.BooleanField(default=True)
    roles = models.CharField(max_length=80, default="buyer,seller")
    login_count = models.PositiveIntegerField(default=7)
    failed_logins = models.PositiveSmallIntegerField(default=2)
    balance = models.DecimalField(max_digits=12, decimal_places=4, default="1234.5600")
    profile = models.JSONField(default=profile)

    objects = Manager()

    USERNAME_FIELD = "mobile"
    EMAIL_FIELD = "email"

    class Meta:
        db_table = "customer"
