"""The image, docker-compose.yml and .env.example, tested without a container engine.

Compose resolves its file, and what the image contains runs in a folder.
"""

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import yaml
from dotenv import dotenv_values
from sqlalchemy.engine import make_url

from coupon_management_flask import config
from coupon_management_flask.config.settings import DECLARATIONS

from .support.compose import SECRETS, TOOLS, compose, lines, resolved_with
from .support.ports import free_port
from .support.server import ROOT, running_server
from .support.waiting import wait_until

COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
ENV_EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
SETTINGS = {one.name.upper() for one in DECLARATIONS}
SERVER_VARIABLES = {"HOST", "PORT", "WORKERS"}

# Each variable that the compose file reads, with what follows its name: ":-default" or
# ":?sentence".
INTERPOLATED = re.findall(r"\$\{(\w+)([^}]*)\}", COMPOSE_TEXT)


def _instructions():
    """Return the Dockerfile's instructions in order: a keyword and its arguments on one line."""
    lines = [
        line
        for line in (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    return [
        tuple(line.split(None, 1)) for line in "\n".join(lines).replace("\\\n", "").splitlines()
    ]


def _last(word):
    return [arguments for found, arguments in _instructions() if found == word][-1]


def _copied_from_checkout():
    return [
        source
        for word, arguments in _instructions()
        if word == "COPY" and "--from" not in arguments
        for source in shlex.split(arguments)[:-1]
    ]


def _environment_of_image():
    return dict(
        pair.split("=", 1)
        for word, arguments in _instructions()
        if word == "ENV"
        for pair in shlex.split(arguments)
    )


HEALTH_CHECK = json.loads(_last("HEALTHCHECK").partition(" CMD ")[2])
COMMAND = json.loads(_last("CMD"))


def _settings(service):
    return config.load_settings(environment=service["environment"], dotenv=None)


@pytest.fixture(scope="module")
def resolved(tmp_path_factory):
    """The compose file as Compose resolves it, with .env.example and the two secrets."""
    return resolved_with(tmp_path_factory.mktemp("compose"), ENV_EXAMPLE + lines(**SECRETS))


@pytest.fixture
def image(tmp_path):
    """A folder with what the image has in /app."""
    folder = tmp_path / "app"
    (folder / "instance").mkdir(parents=True)
    for source in _copied_from_checkout():
        if (ROOT / source).is_dir():
            shutil.copytree(
                ROOT / source, folder / source, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(ROOT / source, folder)
    return folder


def _is_healthy(port, **environment):
    """Return whether the image's health check passes."""
    ran = subprocess.run(
        [sys.executable, *HEALTH_CHECK[1:]],
        env={"PORT": str(port), **environment},
        capture_output=True,
        timeout=30,
        check=False,
    )
    return ran.returncode == 0


def test_the_linter_finds_nothing_in_the_dockerfile():
    ran = subprocess.run(
        [TOOLS / "hadolint", ROOT / "Dockerfile"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (0, "")


def test_what_the_image_copies_is_let_into_the_build_and_nothing_else_is():
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    copied = _copied_from_checkout()

    assert [source for source in copied if not (ROOT / source.strip("/")).exists()] == []
    assert rules[0] == "*"
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == {
        source.strip("/") for source in copied
    }


def test_the_image_runs_as_a_numbered_user_who_owns_only_its_data():
    user, group = _last("USER").split(":")
    (made,) = [
        arguments for word, arguments in _instructions() if word == "RUN" and "useradd" in arguments
    ]

    assert int(user) > 0
    assert f"--uid {user} " in made
    assert f"--gid {group} " in made
    assert json.loads(_last("VOLUME")) == ["/app/instance"]
    assert re.findall(r"--owner=\S+ .*?(/\S+)", made) == ["/app/instance"]
    assert not any("--chown" in arguments for word, arguments in _instructions() if word == "COPY")


def test_the_image_does_what_make_serve_does():
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
    }
    ran = subprocess.run(
        ["make", "--dry-run", "serve"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    # Everything else that make would do first is installing.
    recipe = [
        line.replace(".venv/bin/", "")
        for line in ran.stdout.splitlines()
        if "--app coupon_management_flask" in line
    ]

    assert recipe == [
        "flask --app coupon_management_flask db upgrade",
        "exec flask --app coupon_management_flask serve",
    ]
    assert ["sh", "-c", " && ".join(recipe)] == COMMAND


@pytest.mark.server
def test_what_the_image_has_is_enough_to_migrate_serve_and_be_healthy(image):
    in_image = {
        name: value
        for name, value in _environment_of_image().items()
        if name not in ("PATH", "HOST", "PORT", "WORKERS")
    }
    path = f"{TOOLS}:{os.environ['PATH']}"
    started = ["sh", "-c", 'cd "$0" && exec "$@"', str(image), *COMMAND]
    hosts = "127.0.0.1, .example.com"
    with running_server(
        f"sqlite:///{image}/instance/coupons.db",
        command=started,
        **in_image,
        SECRET_KEY=SECRETS["SECRET_KEY"],
        ALLOWED_HOSTS=hosts,
        PATH=path,
        PYTHONPATH="",
    ) as server:
        port = server.url.rpartition(":")[2]
        assert server.request("GET", "/api/health").json()["status"] == "healthy"
        assert (image / "instance" / "coupons.db").exists()

        assert _is_healthy(port)
        assert _is_healthy(port, ALLOWED_HOSTS=hosts)
        assert _is_healthy(port, ALLOWED_HOSTS=".example.com")
        assert not _is_healthy(port, ALLOWED_HOSTS="other.example.net")


def test_a_container_in_which_nobody_listens_is_not_healthy():
    assert not _is_healthy(free_port())


def test_the_image_listens_where_compose_and_the_health_check_look(resolved):
    assert _environment_of_image()["HOST"] == "0.0.0.0"
    assert (
        _environment_of_image()["PORT"]
        == _last("EXPOSE")
        == str(resolved["services"]["web"]["ports"][0]["target"])
    )
    assert not {"HOST", "PORT"} & set(resolved["services"]["web"]["environment"])


@pytest.mark.parametrize("secret", sorted(SECRETS))
def test_compose_does_not_start_without_a_secret_and_names_it(secret, tmp_path):
    given = {name: value for name, value in SECRETS.items() if name != secret}

    ran = compose(tmp_path, ENV_EXAMPLE + lines(**given))

    assert ran.returncode != 0
    assert set(re.findall(r"required variable (\w+) is missing a value", ran.stderr)) == {secret}
    assert f"{secret} " in ran.stderr
    assert ".env.example explains" in ran.stderr


def test_no_secret_has_a_default():
    secrets = {
        (name, rest)
        for name, rest in INTERPOLATED
        if re.search(r"(SECRET|PASSWORD|TOKEN|KEY)$", name)
    }

    assert {name for name, _ in secrets} >= {*SECRETS, "METRICS_TOKEN"}
    assert [
        (name, rest)
        for name, rest in secrets
        if not rest.startswith(":?" if name in SECRETS else ":-")
    ] == []
    assert [(name, rest) for name, rest in secrets if rest.startswith(":-") and rest != ":-"] == []


# Host and port replace the first, the next two are part of REDIS_URL, and the worker alone mails.
NOT_OF_WEB = {"DATABASE_URL", "REDIS_HOST", "REDIS_PORT", "EMAIL_HOST_PASSWORD"}


def test_every_setting_reaches_the_web_service_and_nothing_that_it_does_not_read(resolved):
    assert set(resolved["services"]["web"]["environment"]) == SETTINGS - NOT_OF_WEB | {"WORKERS"}


def test_a_setting_of_env_is_the_setting_of_the_web_service(tmp_path):
    given = {
        **SECRETS,
        "PUBLIC_URL": "https://coupons.example.com",
        "ALLOWED_HOSTS": "coupons.example.com",
        "TRUSTED_PROXIES": "172.18.0.1",
        "CORS_ALLOWED_ORIGINS": "https://shop.example.com",
        "POSTGRES_USERNAME": "shop",
        "POSTGRES_DATABASE": "shop-coupons",
        "ACCESS_TOKEN_MINUTES": "5",
        "REFRESH_TOKEN_DAYS": "6",
        "ANTIFRAUD_ADDRESS": "https://antifraud.example.com",
        "ANTIFRAUD_MAX_PER_MINUTE": "8",
        "ANTIFRAUD_CONNECT_SECONDS": "3",
        "ANTIFRAUD_ANSWER_SECONDS": "6",
        "CURRENCY": "JPY",
        "CREDIT_VALUE": "2",
        "WEBHOOKS_ALLOW_PRIVATE": "true",
        "CELERY_BROKER_URL": "rediss://broker.example.com:6380/5",
        "COUPON_DISCOUNT_PERCENT": "15",
        "COUPON_EXPIRY_DAYS": "14",
        "COUPON_WEBSITES": '{"example.com": {"discount_percent": 20}}',
        "COUPON_ALLOWED_WEBSITES": "example.com,.example.org",
        "EMAIL_BACKEND": "smtp",
        "EMAIL_HOST": "smtp.example.com",
        "EMAIL_PORT": "2525",
        "EMAIL_USE_TLS": "false",
        "EMAIL_HOST_USER": "mailer",
        "EMAIL_HOST_PASSWORD": "m@il",
        "DEFAULT_FROM_EMAIL": "Shop <shop@example.com>",
        "PROMO_TIMEZONE": "Asia/Tokyo",
        "PROMO_TOKEN_HOURS": "4",
        "RATE_LIMITS_ENABLED": "false",
        "RATE_LIMIT_LOGINS": "7 per minute",
        "RATE_LIMIT_COUPONS": "8 per minute",
        "RATE_LIMIT_COUPON_EMAILS": "9 per day",
        "METRICS_TOKEN": "metrics",
        "LOG_LEVEL": "WARNING",
        "PASSWORD_HASH_MEMORY_KIB": "8192",
        "PASSWORD_HASH_ROUNDS": "9",
        "RATE_LIMIT_PASSWORD_RESETS": "11 per hour",
        "RATE_LIMIT_PASSWORD_RESET_EMAILS": "2 per hour",
        "MAX_OPEN_PAYMENTS": "6",
        "RATE_LIMIT_PAYMENTS": "12 per hour",
        "RATE_LIMIT_PAYMENT_CHECKS": "13 per hour",
        "RATE_LIMIT_COMMENTS": "14 per hour",
        "RATE_LIMIT_PROMOS": "16 per hour",
        "RATE_LIMIT_BEST": "17 per hour",
        "RATE_LIMIT_PRICE_CHECKS": "18 per hour",
        "RATE_LIMIT_BATCHES": "19 per hour",
        "RATE_LIMIT_WEBHOOK_SENDS": "20 per hour",
        "RATE_LIMIT_REPORTS": "21 per hour",
        "RATE_LIMIT_PASSWORD_CHANGES": "22 per hour",
        "STRIPE_SECRET_KEY": "sk_test_1",
        "STRIPE_PUBLISHABLE_KEY": "pk_test_1",
        "STRIPE_WEBHOOK_SECRET": "whsec_1",
        "STRIPE_API_BASE": "https://stripe.example.com",
        "REFUND_DAYS": "30",
        "WORKERS": "3",
        "REQUEST_SECONDS": "31",
        "WAITING_MEMORY_MIB": "32",
        "WAITING_DISK_MIB": "128",
    }
    chosen_by_compose = {
        "APP_ENV": "production",
        "POSTGRES_HOST": "postgres",
        "POSTGRES_PORT": "5432",
        "REDIS_URL": "redis://:r-ss@redis:6379/0",
    }
    otherwise = {
        "APP_ENV": "development",
        "POSTGRES_HOST": "127.0.0.1",
        "POSTGRES_PORT": "1",
        "REDIS_HOST": "127.0.0.1",
        "REDIS_PORT": "1",
    }

    services = resolved_with(tmp_path, lines(**given, **otherwise))["services"]

    meant = {**given, **chosen_by_compose}
    found = services["worker"]["environment"] | services["web"]["environment"]
    assert found == {name: meant[name] for name in meant if name != "REDIS_PASSWORD"}


CELERY = ["celery", "--quiet", "--app", "coupon_management_flask.tasks.celery_app"]


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("worker", [*CELERY, "worker", "--hostname", "worker@coupons"]),
        ("beat", [*CELERY, "beat", "--hostname", "beat@coupons"]),
    ],
)
def test_celery_runs_from_the_image_of_the_web_service(name, command, resolved):
    web, other = resolved["services"]["web"], resolved["services"][name]
    assert other["image"] == web["image"]
    assert other["command"] == command


@pytest.fixture
def celery(resolved, image, redis_server, new_database):
    """Run Compose's Celery services in a folder that holds what the image does.

    Returns two functions: one starts a service, the other runs its health check. Both use the
    tests' servers.
    """
    database_url = new_database("postgresql")

    def in_image(name):
        told = {
            **resolved["services"][name]["environment"],
            "CELERY_BROKER_URL": redis_server.url.rpartition("/")[0] + "/2",
            "PATH": f"{TOOLS}:{os.environ['PATH']}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        # Beat is told of no database.
        return told | {"DATABASE_URL": database_url} if "POSTGRES_HOST" in told else told

    started = []

    def start(name):
        started.append(
            subprocess.Popen(resolved["services"][name]["command"], cwd=image, env=in_image(name))
        )
        return started[-1]

    def is_healthy(name):
        kind, *command = resolved["services"][name]["healthcheck"]["test"]
        assert kind == "CMD"
        return (
            subprocess.run(
                command, cwd=image, env=in_image(name), capture_output=True, timeout=30, check=False
            ).returncode
            == 0
        )

    before = sorted(image.rglob("*"))
    yield start, is_healthy
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()
    assert sorted(image.rglob("*")) == before


@pytest.mark.long
@pytest.mark.server
def test_celery_of_compose_starts_in_the_image_writes_no_file_is_healthy_and_ends(celery):
    start, is_healthy = celery
    worker, beat = start("worker"), start("beat")
    for name in ("worker", "beat"):
        wait_until(lambda name=name: is_healthy(name), f"{name} is healthy", seconds=120)

    worker.terminate()
    assert worker.wait(timeout=60) == 0
    # The other service does not answer in its place.
    assert not is_healthy("worker")
    beat.terminate()
    assert beat.wait(timeout=60) == 0


def test_celery_has_a_database_of_redis_of_its_own_and_no_server_does_its_work(resolved):
    settings = _settings(resolved["services"]["web"])
    assert (settings.redis_url, settings.celery_broker_url) == (
        "redis://:r-ss@redis:6379/0",
        "redis://:r-ss@redis:6379/1",
    )


def test_the_antifraud_service_is_asked_unless_env_names_another_one(resolved):
    host, port = _settings(resolved["services"]["web"]).antifraud_address.split(":")
    assert host == "antifraud"
    command = resolved["services"][host]["command"]
    assert command[command.index("--port") + 1] == port


@pytest.mark.server
def test_the_antifraud_service_starts_in_the_image_and_is_healthy_while_it_answers(resolved, image):
    port = free_port()
    service = resolved["services"]["antifraud"]
    command, (kind, program, *arguments) = service["command"], service["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "python")

    def is_healthy():
        check = [
            sys.executable,
            *(argument.replace(":9090/", f":{port}/") for argument in arguments),
        ]
        return subprocess.run(check, capture_output=True, timeout=30, check=False).returncode == 0

    here = {"0.0.0.0": "127.0.0.1", "9090": str(port)}
    started = [
        "sh",
        "-c",
        'cd "$0" && exec "$@"',
        str(image),
        *(here.get(word, word) for word in command),
    ]
    # Compose's environment names a database that does not exist here, and this needs none.
    in_image = {
        name: value for name, value in service["environment"].items() if name != "WORKERS"
    } | {
        "PATH": f"{TOOLS}:{os.environ['PATH']}",
        "PYTHONPATH": "",
    }
    with running_server("", command=started, port=port, **in_image) as server:
        assert is_healthy()
        assert server.request(
            "POST", "/api/validate", json={"user_email": "alice@example.com", "promo_id": "any"}
        ).json() == {"ok": True}

    assert not is_healthy()


def test_the_web_service_finds_the_database_and_redis_that_compose_starts(resolved):
    settings = _settings(resolved["services"]["web"])
    database = resolved["services"]["postgres"]["environment"]
    url = make_url(settings.database_url)

    assert settings.is_production
    assert (url.host, url.port) == ("postgres", 5432)
    assert (
        database["SERVICE_USERNAME"],
        database["SERVICE_PASSWORD"],
        database["POSTGRES_DB"],
    ) == (url.username, url.password, url.database)
    assert settings.redis_url == "redis://:r-ss@redis:6379/0"


def test_the_defaults_of_the_compose_file_are_those_of_env_example(resolved, tmp_path):
    bare = resolved_with(tmp_path, lines(**SECRETS))

    assert _settings(bare["services"]["web"]) == _settings(resolved["services"]["web"])
    for file in (bare, resolved):
        for name in [name for name in file if name.startswith("x-")]:
            del file[name]
        for name in ("web", "worker", "beat", "antifraud"):
            workers = file["services"][name]["environment"].get("WORKERS")
            file["services"][name]["environment"] = {"WORKERS": workers}
    assert bare == resolved


def test_names_port_and_volumes_come_from_env(tmp_path):
    chosen = {
        "COMPOSE_PROJECT_NAME": "shop",
        "HOST": "127.0.0.9",
        "PORT": "8080",
        "POSTGRES_VOLUME": "shop-books",
        "REDIS_VOLUME": "shop-counts",
    }

    file = resolved_with(tmp_path, lines(**SECRETS, **chosen))

    assert file["name"] == "shop"
    assert {name: service["container_name"] for name, service in file["services"].items()} == {
        "web": "shop-web",
        "worker": "shop-worker",
        "beat": "shop-beat",
        "antifraud": "shop-antifraud",
        "postgres": "shop-postgres",
        "redis": "shop-redis",
    }
    assert [
        (port["host_ip"], port["published"], port["target"])
        for port in file["services"]["web"]["ports"]
    ] == [("127.0.0.9", "8080", 8000)]
    assert {name: volume["name"] for name, volume in file["volumes"].items()} == {
        "postgres": "shop-books",
        "redis": "shop-counts",
    }


def test_nothing_but_the_web_service_is_published_and_by_default_on_this_machine_alone(resolved):
    published = {
        name: [port["host_ip"] for port in service.get("ports", [])]
        for name, service in resolved["services"].items()
    }
    assert published == {
        "web": ["127.0.0.1"],
        "worker": [],
        "beat": [],
        "antifraud": [],
        "postgres": [],
        "redis": [],
    }


def test_every_service_starts_again_and_is_watched_or_says_why_not(resolved):
    for name, service in resolved["services"].items():
        assert service["restart"] == "unless-stopped"
        # Our image has a health check of its own.
        check = service.get("healthcheck") or ({"test": HEALTH_CHECK} if "build" in service else {})
        assert check.get("test") or re.search(
            rf"^  {name}:\n(?:    .*\n)*?      disable: true # \w", COMPOSE_TEXT, re.MULTILINE
        ), name


def test_the_web_service_migrates_once_the_database_answers_and_celery_waits_for_it(resolved):
    waits = {
        name: {other: wait["condition"] for other, wait in service.get("depends_on", {}).items()}
        for name, service in resolved["services"].items()
    }
    assert waits == {
        "web": {"postgres": "service_healthy", "redis": "service_started"},
        "worker": {
            "web": "service_healthy",
            "postgres": "service_healthy",
            "redis": "service_started",
        },
        "beat": {"web": "service_healthy", "redis": "service_started"},
        "antifraud": {},
        "postgres": {},
        "redis": {},
    }
    # Only the web service runs the image's own command, and with it the migration.
    assert [
        name
        for name, service in resolved["services"].items()
        if not service.get("command") and "build" in service
    ] == ["web"]


def test_what_the_databases_keep_is_on_volumes(resolved):
    kept = {
        name: [(v["type"], v["source"], v["target"]) for v in service.get("volumes", [])]
        for name, service in resolved["services"].items()
    }
    on_volumes = {name: volumes for name, volumes in kept.items() if volumes}
    assert on_volumes == {
        "postgres": [("volume", "postgres", "/var/lib/postgresql")],
        "redis": [("volume", "redis", "/data")],
    }


def test_env_example_names_every_variable_that_is_read_once_and_no_other():
    named = re.findall(r"^(\w+)=", ENV_EXAMPLE, re.MULTILINE)
    assert sorted(named) == sorted(SETTINGS | SERVER_VARIABLES | {name for name, _ in INTERPOLATED})
    assert {
        name.upper()
        for name in yaml.safe_load((ROOT / "application.yml").read_text(encoding="utf-8"))
    } == SETTINGS


def test_env_example_as_it_stands_changes_nothing():
    defaults = config.load_settings(environment={}, dotenv=None)
    assert config.load_settings(environment={}, dotenv=ROOT / ".env.example") == defaults
    # Secrets stay empty, so that nobody ends up with those of this file.
    assert {
        name: value
        for name, value in dotenv_values(stream=io.StringIO(ENV_EXAMPLE)).items()
        if name in {*SECRETS, "METRICS_TOKEN"}
    } == {
        "SECRET_KEY": "",
        "POSTGRES_PASSWORD": "",
        "REDIS_PASSWORD": "",
        "METRICS_TOKEN": "",
    }
