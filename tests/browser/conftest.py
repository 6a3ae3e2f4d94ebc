"""Pages in a real browser: Debian's Chromium, or Google's."""

import shutil
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import ConsoleMessage, Page, sync_playwright

from ..support.server import ROOT

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
# As root Chromium has no sandbox. Requests that it makes on its own would count as the page's.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

AXE = ROOT / "tests" / "tools" / "node_modules" / "axe-core" / "axe.min.js"

needs_browser = pytest.mark.skipif(
    CHROMIUM is None,
    reason="no chromium or google-chrome on this machine: tests/tools/install installs one",
)
needs_axe = pytest.mark.skipif(
    not AXE.exists(),
    reason="axe-core is not installed: tests/tools/install installs it, where there is npm",
)


@dataclass
class Visit:
    """An open page, and what has happened on it so far."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on(
            "requestfailed",
            lambda request: self.complaints.append(f"{request.url}: {request.failure}"),
        )
        self.page.on(
            "response",
            lambda response: (
                response.ok or self.complaints.append(f"{response.url}: {response.status}")
            ),
        )
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._listen)

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


def violations(page: Page) -> list[str]:
    """Return what axe-core finds that would keep people from using the page as it is now."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document)")["violations"]
    return [f"{one['id']}: {node['html']}" for one in found for node in one["nodes"]]


@pytest.fixture(scope="module")
def browser():
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS) as browser,
    ):
        yield browser
