"""A Django project as startproject makes it, on the database and with the user model that the environment names."""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = "of no worth: the project serves tests alone, on no port"
ALLOWED_HOSTS = ["testserver"]  # the name that django.test.Client asks for
ROOT_URLCONF = "project.urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = os.environ.get("USER_MODEL", "auth.User")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
]
USER_APP = AUTH_USER_MODEL.split(".")[0]
if USER_APP != "auth":
    INSTALLED_APPS.append(USER_APP)

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]

LOGIN_REDIRECT_URL = "/me/"

# A schema of its own in PostgreSQL, for the tables of all apps: what rekey has to name as SCHEMA.TABLE.
DB_SCHEMA = os.environ.get("DB_SCHEMA", "")

ENGINE = os.environ.get("DB_ENGINE", "sqlite")
DATABASES = {
    "default": {
        "ENGINE": {
            "sqlite": "django.db.backends.sqlite3",
            "postgres": "django.db.backends.postgresql",
            "mysql": "django.db.backends.mysql",
        }[ENGINE],
        "NAME": os.environ.get("DB_NAME", ":memory:"),
        "HOST": os.environ.get("DB_HOST", ""),
        "PORT": os.environ.get("DB_PORT", ""),
        "USER": os.environ.get("DB_USER", ""),
        "PASSWORD": os.environ.get("DB_PASSWORD", ""),
        "OPTIONS": {
            "sqlite": {"timeout": 30},
            "postgres": {"options": f"-c search_path={DB_SCHEMA}"} if DB_SCHEMA else {},
            "mysql": {"charset": "utf8mb4"},
        }[ENGINE],
    }
}
