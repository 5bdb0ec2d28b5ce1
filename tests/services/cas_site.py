"""A CAS server on loopback: django-cas-server, in an environment of its own that has nothing of ours.

Run by that environment's Python: `cas_site.py FOLDER`. It reads the people from FOLDER/people.json, keeps its database
in FOLDER, and prints the port it listens on.
"""

import json
import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import include, path

FOLDER = Path(sys.argv[1])
PEOPLE = json.loads((FOLDER / "people.json").read_text(encoding="utf-8"))

settings.configure(
    SECRET_KEY="a server of tests, on loopback alone",
    DEBUG=True,
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(FOLDER / "cas.db")}},
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "django.contrib.staticfiles",
        "cas_server",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    LANGUAGE_CODE="en",
    USE_TZ=True,
    STATIC_URL="/static/",
    CAS_AUTH_CLASS=f"{__name__}.Listed",
    CAS_NEW_VERSION_HTML_WARNING=False,
    CAS_NEW_VERSION_EMAIL_WARNING=False,
)
django.setup()

# Both need the settings to stand.
from cas_server.auth import AuthUser  # noqa: E402
from cas_server.models import ReplaceAttributName, ServicePattern  # noqa: E402

urlpatterns = [path("cas/", include("cas_server.urls", namespace="cas_server"))]


class Listed(AuthUser):  # type: ignore[misc]  # its package has no types
    """Somebody who is in people.json."""

    def test_password(self, password: str) -> bool:
        """Return whether that is the password."""
        return self.username in PEOPLE and PEOPLE[self.username]["password"] == password

    def attributs(self) -> dict[str, str]:
        """Return what the server knows."""
        known: dict[str, str] = PEOPLE.get(self.username, {}).get("attributes", {})
        return known


class Server(ThreadingMixIn, WSGIServer):
    """Answers several at once."""

    daemon_threads = True


class Backoff(WSGIRequestHandler):
    """Writes no line for each request."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    call_command("migrate", verbosity=0, interactive=False)
    everything = ServicePattern.objects.create(
        pos=1, name="portal", pattern=r"^http://127\.0\.0\.1:\d+/.*$", single_log_out=True
    )
    ReplaceAttributName.objects.create(name="*", service_pattern=everything)
    with make_server("127.0.0.1", 0, get_wsgi_application(), Server, Backoff) as server:
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()
