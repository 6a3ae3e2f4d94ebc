"""The features of the service: where their code is, and the tests that hold it."""

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .mutations import Kind, Mutation


@dataclass(frozen=True)
class Feature:
    code: tuple[str, ...]
    """How its files begin, in the package. Of several features the longest beginning decides."""
    tests: tuple[str, ...]
    """Its tests, before a move or after. What a tree lacks is ignored."""
    tests_moved_to: tuple[str, ...] = ()
    """Where some of them may be in the new tree besides."""


FEATURES = {
    "core": Feature(
        (
            "core/",
            "database.py",
            "prepared.py",
            "db/",
            "text/",
            "messaging/",
            "identity/",
            "audit/",
        ),
        (
            "tests/core",
            "tests/db",
            "tests/text",
            "tests/messaging",
            "tests/identity",
            "tests/audit",
        ),
        ("tests/auth", "tests/config", "tests/test_database.py", "tests/test_audit.py"),
    ),
    "credit_coupons": Feature(("credit_coupons/",), ("tests/credit_coupons",)),
    "promos": Feature(("promos/",), ("tests/promos",), ("tests/auth",)),
    "discount_coupons": Feature(
        (
            "discount_coupons/",
            "core/checkout",
            "core/orders",
            "core/discounts",
            "core/coupon",
            "core/webhooks",
        ),
        ("tests/discount_coupons", "tests/core/test_discounts.py"),
        ("tests/messaging/webhooks", "tests/webhooks"),
    ),
    "vouchers": Feature(("vouchers/", "core/vouchers"), ("tests/vouchers",), ("tests/payments",)),
    "payments": Feature(("payments/",), ("tests/payments",)),
    "email_coupons": Feature(
        ("email_coupons/", "websites.py"),
        ("tests/email_coupons", "tests/test_websites.py"),
        ("tests/text",),
    ),
    "auth": Feature(("auth/",), ("tests/auth",), ("tests/identity",)),
    "web": Feature(("web/",), ("tests/web",)),
    "analytics": Feature(("analytics/", "core/figures"), ("tests/analytics",)),
    "admin": Feature(("admin/", "console/"), ("tests/admin", "tests/console")),
    "mail": Feature(
        ("mail.py", "web/mailbox", "messaging/mail"),
        ("tests/mail", "tests/messaging/mail"),
    ),
}


def draw(mutations: Iterable[Mutation], feature: str, count: int, seed: int) -> list[Mutation]:
    """Draw mutations of a feature, as many of each kind as there are."""
    chance = random.Random(f"{seed} {feature}")
    kinds: dict[Kind, list[Mutation]] = {kind: [] for kind in Kind}
    for mutation in mutations:
        if feature_of(mutation.file) == feature:
            kinds[mutation.kind].append(mutation)
    for found in kinds.values():
        chance.shuffle(found)
    drawn: list[Mutation] = []
    while len(drawn) < count and any(kinds.values()):
        drawn += [found.pop() for found in kinds.values() if found]
    return drawn[:count]


def feature_of(file: str) -> str | None:
    beginnings = {start: name for name, feature in FEATURES.items() for start in feature.code}
    fitting = [start for start in beginnings if file.startswith(start)]
    return beginnings[max(fitting, key=len)] if fitting else None


def order_tests(
    tree: Path,
    paths: Iterable[str],
    mutation: Mutation | None = None,
    likely: str = "",
) -> list[str]:
    """List test files: first the one that has a likely test, then those named like the place."""
    files: list[str] = []
    for path in paths:
        found = sorted((tree / path).rglob("test_*.py")) or [tree / path]
        files += [file.relative_to(tree).as_posix() for file in found if file.is_file()]
    place = _words_of(f"{mutation.file} {mutation.definition}") if mutation else set()

    def order(file: str) -> tuple[bool, int]:
        has_likely = bool(likely) and f"def {likely}(" in (tree / file).read_text("utf-8")
        return not has_likely, -len(place & _words_of(file))

    return sorted(dict.fromkeys(files), key=order)


def _words_of(name: str) -> set[str]:
    words = re.findall(r"[A-Z]?[a-z]+", name)
    return {word.lower().removesuffix("s") for word in words} - {"test", "py", "service"}
