"""The README: its session runs as printed and prints what the README shows."""

import re
import subprocess

import pytest

from coupon_management_flask import create_app
from coupon_management_flask.cli.demo import credit_coupons
from coupon_management_flask.core import codes
from coupon_management_flask.email_coupons.issue import CODE_LENGTH
from coupon_management_flask.payments.sales import delivery
from coupon_management_flask.vouchers import types

from .conftest import dispose_engines, settings_for
from .support.server import ROOT, environment, running_server

pytestmark = pytest.mark.server

README = (ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(language: str) -> str:
    found = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found
    return "".join(found)


def _without_what_differs(text: str) -> str:
    """Replace ids, tokens, times and random codes, which differ in every run."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<id>", text)
    text = re.sub(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", "<token>", text)
    lengths = (CODE_LENGTH, delivery.CODE_LENGTH)
    drawn = "|".join(f"[{codes.ALPHABET}]{{{length}}}" for length in lengths)
    # A code that comes again stays the same.
    found = dict.fromkeys(re.findall(rf'[cC]ode":"({drawn})"', text))
    for number, code in enumerate(found):
        text = text.replace(code, f"<code {number}>")
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "<time>", text).strip()


def _run(session: str, url: str) -> str:
    """Run a session in one shell, as if it were pasted, and return what it prints."""
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", session],
        env=environment(url),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ran.stderr == ""
    return ran.stdout


def test_the_session_of_the_readme_gives_the_output_of_the_readme_and_may_be_pasted_again(
    new_database,
):
    url = new_database("sqlite")
    with create_app(settings_for(url)).app_context():
        assert credit_coupons.load()
        assert types.create_samples()
        dispose_engines()
    # The limits are those of whoever pastes it.
    with running_server(url, RATE_LIMITS_ENABLED="true") as server:
        session = _blocks("sh").replace("http://127.0.0.1:8000", server.url)
        first, second = _run(session, url), _run(session, url)

    assert _without_what_differs(first) == _without_what_differs(_blocks("json"))
    # What the first coupon and the wallet have left by then is all that differs.
    again = [
        re.sub(r'"credit":\d+', "", line) for line in _without_what_differs(second).splitlines()
    ]
    before = [
        re.sub(r'"credit":\d+', "", line) for line in _without_what_differs(first).splitlines()
    ]
    assert again == [before[1], *before[1:]]


@pytest.mark.parametrize(
    "command", re.findall(r"\.venv/bin/(flask --app coupon_management_flask .*)", README)
)
def test_a_command_of_the_readme_runs(command, app):
    ran = app.test_cli_runner().invoke(
        args=command.removeprefix("flask --app coupon_management_flask ").split()
    )
    assert ran.exit_code == 0, ran.output


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:`|    )make ([a-z]+)", README))))
def test_a_make_target_of_the_readme_exists(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize(
    "path", re.findall(r"\]\(([\w./-]+)\)|`((?:postman|docs|tests)/[\w/-]*)`", README)
)
def test_a_file_of_the_readme_exists(path):
    assert (ROOT / "".join(path)).exists()
