"""AbstractUser with the number as an integer, which is not unique: people sign in by name."""

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    mobile = models.BigIntegerField(null=True, db_index=True)
