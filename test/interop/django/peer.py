"""The peer of Django: peer_test.go says what it is asked and what it answers."""

import gc
import json
import os
import sys
import traceback
import uuid
from urllib.parse import urlencode

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

import django

django.setup()

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.forms import PasswordResetForm
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import override_settings
from django.utils import timezone

from project.hashers import password_hashers

User = get_user_model()
MOBILE = "username" if settings.AUTH_USER_MODEL == "auth.User" else "mobile"
DEFAULT = "pbkdf2_sha256"

# The format of each login name that is not made in the default one. A project has one order of PASSWORD_HASHERS, and
# login makes a hash anew that is not of the first: so each format is a project of its own.
formats = {}


def hashing(format):
    return override_settings(PASSWORD_HASHERS=password_hashers(format))


def setup(_):
    if settings.DB_SCHEMA and connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE SCHEMA {connection.ops.quote_name(settings.DB_SCHEMA)}")
    call_command("migrate", verbosity=0, interactive=False)
    return {}


def add(c):
    """A user. Format "unusable" is one without a password, "empty" one for whom nobody ever thought of it. email is that
    of the user, beside others of the same number."""
    name = c["mobile"]
    if User.USERNAME_FIELD != MOBILE and User.objects.filter(**{User.USERNAME_FIELD: name}).exists():
        name = f"{name}-{uuid.uuid4()}"
    fields = {MOBILE: c["mobile"], User.USERNAME_FIELD: name, "email": c.get("email", ""), "is_active": c["active"]}
    if c["format"] == "empty":
        return {"id": str(User.objects.create(**fields).pk)}
    if c["format"] == "unusable":
        return {"id": str(User.objects.create_user(password=None, **fields).pk)}
    with hashing(c["format"]):
        user = User.objects.create_user(password=c["password"], **fields)
    formats[name] = c["format"]
    return {"id": str(user.pk)}


def bulk(c):
    """Many users with numbers from c["first"] on, who share one hash: what costs time is not what is looked for."""
    with hashing(DEFAULT):
        user = User()
        user.set_password(c["password"])
    shared = user.password
    made = (User(**{MOBILE: str(c["first"] + i), "password": shared, "profile": {"n": i}}) for i in range(c["count"]))
    gc.disable()  # it would walk over all that were made, again and again, and find nothing
    User.objects.bulk_create(made, batch_size=500)
    gc.enable()
    return {"count": User.objects.count()}


def login(c):
    """As a browser does it: the form, then its post with the token that it came with."""
    client = Client(enforce_csrf_checks=True)
    with hashing(formats.get(c["mobile"], DEFAULT)):
        client.get("/login/")
        answer = client.post(
            "/login/",
            urlencode(
                {
                    "username": c["mobile"],
                    "password": c["password"],
                    "csrfmiddlewaretoken": client.cookies[settings.CSRF_COOKIE_NAME].value,
                }
            ),
            content_type="application/x-www-form-urlencoded",
        )
    accepted = answer.status_code == 302 and answer["Location"] == settings.LOGIN_REDIRECT_URL
    if not accepted and answer.status_code != 200:
        raise RuntimeError(f"the login page answers {answer.status_code}")
    return {"accepted": accepted, "session": client.cookies[settings.SESSION_COOKIE_NAME].value if accepted else ""}


def session(c):
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = c["session"]
    return {"user": client.get("/me/").content.decode()}


def age(c):
    """How many seconds ago Django takes the password of an id to have been changed."""
    changed_at = User.objects.get(pk=c["id"]).password_changed_at
    return {"count": round((timezone.now() - changed_at).total_seconds())}


def recoverable(c):
    """How many users Django itself would mail a link for a new password to."""
    return {"count": len(list(PasswordResetForm().get_users(c["email"])))}


COMMANDS = {f.__name__: f for f in (setup, add, bulk, login, session, age, recoverable)}

# What Django or a library prints must not stand between the answers.
answers, sys.stdout = sys.stdout, sys.stderr

for line in sys.stdin:
    try:
        command = json.loads(line)
        answer = {"ok": True, **COMMANDS[command["do"]](command)}
    except Exception as e:
        traceback.print_exc()
        answer = {"ok": False, "error": f"{type(e).__name__}: {e}"}
    print(json.dumps(answer), file=answers, flush=True)
