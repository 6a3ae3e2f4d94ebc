"""Linters of OpenAPI find nothing wrong with the document."""

import json
import os
import subprocess

import pytest

from .conftest import NODE_MODULES, needs_npm

pytestmark = [pytest.mark.server, needs_npm]

# Nobody is told what is looked at here.
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}

# Why a finding of these rules is no fault.
EXCUSED = {
    "no-ambiguous-paths": "/v1/coupons/use/{hidden_code} is the contract's; `use` is no id",
    "operation-4xx-response": "of calls that ask for nothing and take nothing",
    "info-contact": "the project has no address for people",
}


@pytest.fixture(scope="module")
def found(document, tmp_path_factory):
    """What each linter finds, as pairs of its rule and its words. They look at the same time."""
    folder = tmp_path_factory.mktemp("linters")
    ruleset = folder / "spectral.yaml"
    ruleset.write_text('extends: ["spectral:oas"]\n', encoding="utf-8")
    config = folder / "redocly.yaml"
    config.write_text("extends: [recommended]\n", encoding="utf-8")
    commands = {
        "redocly": ["redocly", "lint", "--config", config, "--format", "json", document],
        "spectral": ["spectral", "lint", "--ruleset", ruleset, "--format", "json", document],
    }
    running = {
        name: subprocess.Popen(
            [NODE_MODULES / ".bin" / program, *arguments],
            env={"PATH": os.environ["PATH"], "HOME": str(folder), **QUIET},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
        )
        for name, (program, *arguments) in commands.items()
    }
    said = {name: process.communicate(timeout=120)[0] for name, process in running.items()}
    return {
        "redocly": [
            (one["severity"], one["ruleId"], one["message"])
            for one in json.loads(said["redocly"])["problems"]
        ],
        "spectral": [
            ("error" if one["severity"] == 0 else "warn", one["code"], f"{one}")
            for one in json.loads(said["spectral"])
        ],
    }


@pytest.mark.parametrize("linter", ["redocly", "spectral"])
def test_a_linter_finds_no_error_and_no_warning_without_an_excuse(found, linter):
    assert [one for one in found[linter] if one[0] == "error"] == []
    assert [one for one in found[linter] if one[1] not in EXCUSED] == []


def test_every_excuse_is_needed(found):
    assert {rule for problems in found.values() for _, rule, _ in problems} == {*EXCUSED}
