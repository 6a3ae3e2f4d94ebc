"""The demo shop: its checkout against the real service, its command, and `make run`."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path

import psutil
import pytest
import requests
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from coupon_management_flask.cli.demo import shop as demo_shop
from coupon_management_flask.config import load_settings
from coupon_management_flask.core import clock
from coupon_management_flask.db.session import db
from coupon_management_flask.models import ApiKey

from .support.ports import free_port
from .support.server import (
    ROOT,
    STRONG_KEY,
    Server,
    assert_books_add_up,
    environment,
    run_command,
    running_server,
)
from .support.waiting import wait_until

pytestmark = pytest.mark.server

PAGE = (ROOT / "frontend" / "demo.html").read_text(encoding="utf-8")
CART = "0" * 31
MAKE_RUN = ["make", "--silent", "--old-file=.venv/.runtime", "run"]
SENCHA = {"product": "sencha", "quantity": 2}
CUPS = {"product": "cups", "quantity": 1}


# --- The checkout


@pytest.fixture(scope="module")
def database(new_database):
    return new_database("sqlite")


@pytest.fixture(scope="module")
def server(database):
    with running_server(database, workers=1) as server:
        yield server
        assert_books_add_up(database)


@pytest.fixture(scope="module")
def api_key(database, server):
    return run_command(
        "api-keys",
        "create",
        "--service",
        "demo-shop",
        "--permission",
        "getCoupons",
        "--permission",
        "manageCoupons",
        database_url=database,
    ).strip()


@pytest.fixture(scope="module")
def make_code(server: Server, api_key: str):
    """Create a code for 10 % off in the service, which can be used once."""

    def make(code: str) -> str:
        coupon = {
            "code": code,
            "type": "percentage",
            "discount": 10,
            "couponFor": "product",
            "maxUsage": 1,
        }
        assert (
            server.request(
                "POST", "/api/v1/coupons", json=coupon, headers={"X-API-Key": api_key}
            ).status_code
            == 201
        )
        return code

    return make


@pytest.fixture(scope="module")
def shop(server: Server, api_key: str):
    return demo_shop.create_demo_shop(server.url, api_key).test_client()


def uses(server: Server, api_key: str, code: str) -> int:
    return int(
        server.request(
            "GET", f"/api/v1/coupons/code/{code}", headers={"X-API-Key": api_key}
        ).json()["usageCount"]
    )


def test_a_code_is_worth_its_discount_and_is_taken_by_the_order_alone(
    shop, server, api_key, make_code
):
    code = make_code("DEMO-ONCE")

    applied = shop.post("/discount", json={"items": [SENCHA, CUPS], "code": "demo-once"})
    assert (applied.status_code, applied.json["discountAmount"], applied.json["finalAmount"]) == (
        200,
        5.43,
        48.87,
    )
    assert uses(server, api_key, code) == 0

    order = {"cart": f"{CART}1", "items": [SENCHA, CUPS], "code": code}
    placed = shop.post("/orders", json=order)
    assert (placed.status_code, placed.json) == (201, {"orderId": f"demo-{CART}1", "total": 48.87})
    assert uses(server, api_key, code) == 1


def test_an_order_that_is_sent_twice_takes_one_use_and_another_order_none(
    shop, server, api_key, make_code
):
    code = make_code("DEMO-TWICE")
    order = {"cart": f"{CART}2", "items": [SENCHA], "code": code}

    first, again = shop.post("/orders", json=order), shop.post("/orders", json=order)
    other = shop.post("/orders", json={**order, "cart": f"{CART}3"})
    applied = shop.post("/discount", json={"items": [SENCHA], "code": code})

    assert (first.status_code, again.status_code, first.json) == (201, 201, again.json)
    for refused in (other, applied):
        assert (refused.status_code, refused.json) == (
            400,
            {"message": "Coupon usage limit exceeded"},
        )
    assert uses(server, api_key, code) == 1


def test_an_order_without_a_code_costs_what_it_costs(shop):
    placed = shop.post("/orders", json={"cart": f"{CART}4", "items": [SENCHA, CUPS]})

    assert (placed.status_code, placed.json["total"]) == (201, 54.3)


def test_a_refusal_is_told_in_the_services_words(shop):
    for path, more in (("/discount", {}), ("/orders", {"cart": f"{CART}5"})):
        refused = shop.post(path, json={"items": [SENCHA], "code": "NOTHING-LIKE-IT", **more})
        assert (refused.status_code, refused.json) == (400, {"message": "Coupon not found"})


def test_a_cart_that_is_none_is_refused(shop):
    good = {"cart": f"{CART}6", "items": [SENCHA]}
    for wrong in (
        {"items": []},
        {"items": [{"product": "castle", "quantity": 1}]},
        {"items": [{"product": "sencha", "quantity": 0}]},
        {"items": [{**SENCHA, "unitPrice": 0}]},
        {"cart": "1"},
        {"code": None},
        {"total": 0},
    ):
        assert shop.post("/orders", json={**good, **wrong}).status_code == 400, wrong
    assert shop.post("/orders", data="{", content_type="application/json").status_code == 400
    # A form on somebody else's page can't send JSON.
    assert shop.post("/orders", data=json.dumps(good), content_type="text/plain").status_code == 415


def test_a_service_that_is_away_is_told_in_words():
    shop = demo_shop.create_demo_shop(f"http://127.0.0.1:{free_port()}", "ck_none").test_client()

    answer = shop.post("/discount", json={"items": [SENCHA], "code": "ANY"})

    assert (answer.status_code, answer.json) == (
        503,
        {"message": "The coupon service does not answer. Try again in a moment."},
    )


def test_the_page_embeds_the_popup_of_the_service_under_a_strict_policy(shop, server):
    page = shop.get("/")

    assert re.findall(r'<script src="(.+?/popup\.js)" data-website="demo.example"', page.text) == [
        f"{server.url}/popup.js"
    ]
    assert demo_shop.DEFAULT_SERVICE not in page.text
    policy = dict(
        rule.strip().split(" ", 1) for rule in page.headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == f"'self' {server.url}"
    assert policy["style-src"] == "'self'"
    for name, mimetype in (("demo.css", "text/css"), ("demo.js", "text/javascript")):
        with shop.get(f"/{name}") as asset:
            assert asset.mimetype == mimetype
    assert shop.get("/popup.js").status_code == shop.get("/../application.yml").status_code == 404


def test_what_the_page_shows_is_what_things_cost():
    shown = {
        name: Decimal(price)
        for name, price in re.findall(r'data-product="(\w+)" data-price="([\d.]+)"', PAGE)
    }

    assert shown == demo_shop.PRICES
    assert [Decimal(price) for price in re.findall(r'class="price">\$([\d.]+)<', PAGE)] == list(
        shown.values()
    )


# --- The command


def test_the_service_is_looked_for_where_it_is():
    assert load_settings(environment={}, dotenv=None).public_url == demo_shop.DEFAULT_SERVICE
    assert demo_shop.DEFAULT_SERVICE in PAGE
    for given, expected in {
        ("http://127.0.0.1:8000",): "http://127.0.0.1:8000",
        ("http://127.0.0.1:8000", "127.0.0.1", "9000"): "http://127.0.0.1:9000",
        ("http://127.0.0.1:8000/", "0.0.0.0", ""): "http://127.0.0.1:8000",
        ("http://127.0.0.1:8000", "::1", "9000"): "http://[::1]:9000",
        ("https://coupons.example/", "127.0.0.1", "9000"): "https://coupons.example",
    }.items():
        assert demo_shop.service_url(*given) == expected


def valid_keys() -> int:
    return db.session.scalar(
        sa.select(sa.func.count()).where(
            ApiKey.revoked_at.is_(None), ApiKey.expires_at > clock.now()
        )
    )


def test_keys_of_earlier_starts_end(app, monkeypatch):
    served = []
    monkeypatch.setattr(demo_shop, "serve", lambda shop, _socket: served.append(shop))

    for _ in range(2):
        ran = app.test_cli_runner().invoke(args=["demo-shop", "--port", str(free_port())])
        assert ran.exit_code == 0, ran.output
        assert "Demo shop on http://127.0.0.1:" in ran.stderr
        assert "/dev/mailbox" in ran.stderr
        assert "ck_" not in ran.output

    assert len(served) == 2
    assert valid_keys() == 1


def test_it_is_not_for_production(configured_app):
    production = configured_app(app_env="production", secret_key=STRONG_KEY)

    ran = production.test_cli_runner().invoke(args=["demo-shop", "--port", str(free_port())])

    assert ran.exit_code == 1
    assert "not for production" in ran.stderr
    assert valid_keys() == 0


def test_a_taken_port_is_named_and_no_key_is_made(app):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = app.test_cli_runner().invoke(args=["demo-shop", "--port", str(port)])

    assert ran.exit_code == 1
    assert f"127.0.0.1:{port} can't be listened on" in ran.stderr
    assert "DEMO_PORT" in ran.stderr
    assert valid_keys() == 0


# --- make run


@contextmanager
def made_run(tmp_path: Path, demo_port: int):
    """`make run` on a new database, once the service answers. Nothing is installed."""
    with running_server(
        f"sqlite:///{tmp_path}/coupons.db", command=MAKE_RUN, workers=1, DEMO_PORT=str(demo_port)
    ) as server:
        yield server


def answers(port: int) -> str:
    try:
        return requests.get(f"http://127.0.0.1:{port}/", timeout=10).text
    except requests.ConnectionError:
        return ""


def service_pid(server: Server) -> int:
    """Return the `flask serve` process that `make run` has started: the parent of the workers."""
    (shell,) = psutil.Process(server.process.pid).children()
    (found,) = [child.pid for child in shell.children() if child.cmdline()[-1] == "serve"]
    return int(found)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def assert_all_ends(server: Server, demo_port: int) -> None:
    port = int(server.url.rpartition(":")[2])
    server.process.wait(60)
    wait_until(lambda: is_free(port) and is_free(demo_port), "both are gone")
    assert "Traceback" not in server.log()


@pytest.mark.parametrize(
    "ending", ["ctrl-c", pytest.param("the service dies", marks=pytest.mark.long)]
)
def test_make_run_starts_both_and_whatever_ends_the_service_ends_both(tmp_path, ending):
    demo_port = free_port()
    with made_run(tmp_path, demo_port) as server:
        wait_until(lambda: answers(demo_port), "the demo shop answers")
        assert f"{server.url}/popup.js" in answers(demo_port)
        assert f"Demo shop on http://127.0.0.1:{demo_port}" in server.log()

        if ending == "ctrl-c":
            # A terminal sends the signal to all of them.
            os.killpg(server.process.pid, signal.SIGINT)
        else:
            os.kill(service_pid(server), signal.SIGKILL)

        assert_all_ends(server, demo_port)


@pytest.mark.long
def processes_of(database_url: str) -> list[psutil.Process]:
    """Return all processes that were started for this database."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("DATABASE_URL") == database_url:
                found.append(process)
    return found


def step_of(process: psutil.Process) -> str:
    """Return which command of `flask` a process runs; of the server also its workers."""
    with suppress(psutil.Error):
        command = process.cmdline()
        if any(part.endswith("/flask") for part in command):
            return " ".join(command[command.index("coupon_management_flask") + 1 :])
    return ""


@pytest.mark.parametrize(
    ("step", "how"),
    [
        ("demo-shop", "terminate"),
        ("serve", "ctrl-c"),
        *(
            pytest.param(step, how, marks=pytest.mark.long)
            for step, how in (
                ("db upgrade", "ctrl-c"),
                ("db upgrade", "terminate"),
                ("seed-demo", "ctrl-c"),
                ("seed-demo", "terminate"),
                ("demo-shop", "ctrl-c"),
                ("serve", "terminate"),
                ("serve", "hang up"),
            )
        ),
    ],
)
def test_make_run_that_is_stopped_as_soon_as_a_step_has_begun_leaves_nothing_behind(
    migrated, tmp_path, step, how
):
    url = f"sqlite:///{tmp_path}/coupons.db"
    if step in ("demo-shop", "serve"):
        # What comes before has little to do.
        shutil.copy(str(make_url(migrated["sqlite"]).database), tmp_path / "coupons.db")
    ports = {"PORT": str(free_port()), "DEMO_PORT": str(free_port())}
    with (tmp_path / "log").open("wb") as log:
        run = subprocess.Popen(
            MAKE_RUN,
            cwd=ROOT,
            env=environment(url, **ports),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_until(
            lambda: any(step_of(process) == step for process in processes_of(url)),
            f"{step} has begun",
        )
        match how:
            case "ctrl-c":
                os.killpg(run.pid, signal.SIGINT)
            case "terminate":
                run.terminate()
            case "hang up":
                os.killpg(run.pid, signal.SIGHUP)

        run.wait(60)
        wait_until(lambda: not processes_of(url), "all of it has ended")
    finally:
        for left in processes_of(url):
            with suppress(psutil.Error):
                left.kill()
        run.wait()
    assert run.returncode != 0


def test_make_run_goes_on_without_a_demo_shop_where_its_port_is_taken(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with made_run(tmp_path, port) as server:
            wait_until(
                lambda: f"127.0.0.1:{port} can't be listened on" in server.log(), "it is said"
            )
            assert server.request("GET", "/api/health/live").ok
            taken.close()
            server.process.terminate()
            assert_all_ends(server, port)
