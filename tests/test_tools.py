"""The rulers measure what they say, and find code that has moved. No test here needs a database."""

import sys
from pathlib import Path

import pytest

from tools import counterparts, features, measure, mutate, mutations, prose, runs, trees
from tools.counterparts import Places

PACKAGE = "coupon_management_flask"

STOCK = '''"""Stock."""

from enum import StrEnum
from typing import Any

# The most that anybody
# may take.
MOST = 10
TRIES = 3
_stocks: Any = Stock.__table__


class State(StrEnum):
    OPEN = "open"


def claim(stock: AnyRow, units: int, given: dict[str, Any]) -> None:
    """Take units."""
    for _ in range(TRIES):
        if units > stock.left and stock.is_limited:
            raise Exhausted
    select(_stocks).where(_stocks.c.id == stock.id, _stocks.c.state == "open")  # alone


def release(stock):
    return Page(stock, max_size=100)


def _hidden(numbers):
    return [number for number in numbers if 1 < number < 5]
'''


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        file = folder / f"{name.replace('__', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def tree(tmp_path):
    """A checkout with a package of two rooms, a test and a page."""
    write(tmp_path / PACKAGE, core__stock=STOCK, core__limits__day="x = 1\n", cli="y = 2\n\n")
    write(tmp_path / "tests", test_stock="def test_it():\n    pass\n\n\ndef helper():\n    pass\n")
    (tmp_path / "README.md").write_text("x" * 101 + "\nshort\n\n", encoding="utf-8")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "NOT_OURS.md").write_text("x" * 200, encoding="utf-8")
    return tmp_path


def changed(kind, text=STOCK):
    """What each mutation of that kind makes of the lines that it changes."""
    source = text.encode()
    made = []
    for mutation in mutations.find(source, "stock.py"):
        if mutation.kind == kind:
            lines = mutation.apply(source).decode().splitlines()
            made.append(next(line for line in lines if line not in text.splitlines()).strip())
    return made


def counterpart(line, new, old=STOCK, kind=None, **others):
    """Where the new tree has what the old one has in the line of its stock with this text."""
    found = mutations.find(old.encode(), "core/stock.py")
    at = 1 + next(at for at, text in enumerate(old.splitlines()) if line in text)
    mutation = next(one for one in found if one.line == at and kind in (None, one.kind))
    return Places(places({"core/stock.py": old, **others}), places(new)).counterpart(mutation)


def places(tree):
    return [one for file, text in tree.items() for one in mutations.find(text.encode(), file)]


def test_lines_are_counted_by_room_and_by_the_rooms_inside(tree):
    stock = len(STOCK.splitlines())

    assert measure.measure(tree)["Lines by room"] == {
        "in all": stock + 3,
        "cli.py": 2,
        "core/": stock + 1,
        "core/limits/": 1,
    }


def test_any_is_counted_where_it_is_used_and_not_where_it_is_imported(tree):
    report = measure.measure(tree)
    written = sum(bool(line) for line in STOCK.splitlines())

    assert report["Types"]["Any"] == 2
    shares = report["Any in 100 lines that are not blank"]
    assert shares["core/"] == round(200 / (written + 1), 2)
    assert shares["cli.py"] == 0


def test_what_hides_types_and_what_shows_them_is_counted(tree):
    assert measure.measure(tree)["Types"] == {
        "Any": 2,
        "dict[str, Any]": 1,
        "AnyRow": 1,
        "aliases of tables": 1,
        "StrEnums": 1,
        "for _ in range(TRIES)": 1,
    }


def test_long_files_functions_and_lines_are_named_longest_first(tree):
    write(tree / PACKAGE, web__body="a = 1\n" * 401, web__guard="b = 1\n" * 500)
    report = measure.measure(tree)

    long_files = list(report["Files above 400 lines"].items())
    assert long_files == [("web/guard.py", 500), ("web/body.py", 401)]
    assert report["Longest functions"] == {
        "1": "6 core/stock.py claim",
        "2": "2 core/stock.py _hidden",
        "3": "2 core/stock.py release",
    }
    long_lines = report["Lines over 100 characters, of those that are not blank"]
    assert long_lines["Markdown"] == "1 of 2 (50.0 %)"
    assert long_lines["benchmarks, tools"] == "0 of 0 (0.0 %)"


def test_docstrings_of_public_functions_and_tests_are_counted(tree):
    report = measure.measure(tree)

    assert report["Docstrings"] == {
        "public functions with one": 1,
        "public functions without": 1,
        "mean length, characters": len("Take units."),
        "90th percentile": len("Take units."),
    }
    assert report["Tests"] == {"functions": 1, "lines": 6}


def test_two_reports_stand_side_by_side_with_what_only_one_of_them_has(tree):
    before = measure.measure(tree)
    write(tree / PACKAGE, text__codes="z = 1\n")
    after = measure.measure(tree)
    table = measure.table({"before": before, "after": after})
    rows = [line.split() for line in table.splitlines()]

    assert rows[0] == ["before", "after"]
    assert ["text/", "-", "1"] in rows
    assert ["cli.py", "2", "2"] in rows


def test_comments_that_follow_each_other_are_one_passage():
    passages = {passage.line: passage.text for passage in prose.read(STOCK, "stock.py")}

    assert passages == {
        1: "Stock.",
        6: "The most that anybody\nmay take.",
        18: "Take units.",
        22: "alone",
    }


def test_a_seed_draws_the_same_passages_again(tree):
    drawn = prose.draw(tree, 3, seed=5)

    assert drawn == prose.draw(tree, 3, seed=5)
    assert len(drawn) == 3
    assert len(prose.draw(tree, 100, seed=5)) == 4


def test_a_comparison_is_turned_round():
    assert changed("comparison") == [
        "if (units >= stock.left) and stock.is_limited:",
        'select(_stocks).where((_stocks.c.id != stock.id), _stocks.c.state == "open")  # alone',
        "select(_stocks).where(_stocks.c.id == stock.id, (_stocks.c.state != 'open'))  # alone",
        "return [number for number in numbers if (1 <= number < 5)]",
        "return [number for number in numbers if (1 < number <= 5)]",
    ]


def test_none_is_not_compared_otherwise():
    assert changed("comparison", "def f(x):\n    return x is None or x is not None\n") == []


def test_a_bound_is_one_more():
    assert changed("bound") == [
        "MOST = 11",
        "TRIES = 4",
        "return Page(stock, max_size=101)",
        "return [number for number in numbers if 2 < number < 5]",
        "return [number for number in numbers if 1 < number < 6]",
    ]


def test_a_number_that_is_no_bound_stays():
    assert changed("bound", "self.size = 0\nsize = 1\nf(2, name=3)\n") == []


def test_a_raise_is_removed():
    assert changed("raise") == ["pass"]


def test_a_condition_is_left_out():
    assert changed("condition") == [
        "if (stock.is_limited):",
        "if (units > stock.left):",
        "(select(_stocks).where(_stocks.c.state == 'open'))  # alone",
        "(select(_stocks).where(_stocks.c.id == stock.id))  # alone",
    ]
    assert changed("condition", "CLAIMING = Claiming(only_if=[is_open, Stock.left > 0])\n") == [
        "CLAIMING = Claiming(only_if=([Stock.left > 0]))",
        "CLAIMING = Claiming(only_if=([is_open]))",
    ]


def test_text_beyond_ascii_and_f_strings_change_nothing_else():
    text = 'def f(ä):\n    return "ö" if ä > 1 else f"{ä > 2}"\n'

    assert changed("comparison", text) == ['return "ö" if (ä >= 1) else f"{ä > 2}"']


MOVED = '''
def take_units(session, stock: Stock, count: int) -> None:
    """Take some. What was here has another name and stands elsewhere."""
    for _ in range(ATTEMPTS):
        if count > stock.left and stock.is_limited:
            raise errors.Exhausted
    sa.select(Stock).where(Stock.id == stock.id, Stock.state is State.OPEN)
'''
OTHERS = """
def unlike(pages):
    if pages > 5 and is_late:
        raise Forbidden
    return sa.select(Account).where(Account.name == given, Account.mail == mail)
"""


@pytest.mark.parametrize(
    ("line", "kind", "found"),
    [
        ("units > stock.left", "comparison", "count > stock.left"),
        ("raise Exhausted", "raise", "raise errors.Exhausted"),
        ("_stocks.c.id == stock.id", "comparison", "Stock.id == stock.id"),
        ("_stocks.c.id == stock.id", "condition", "Stock.id == stock.id"),
    ],
)
def test_code_is_found_after_a_move_and_a_rename(line, kind, found):
    other = counterpart(line, {"web.py": OTHERS, "stock/claims.py": MOVED}, kind=kind)

    assert (other.mutation.file, other.mutation.definition) == ("stock/claims.py", "take_units")
    assert found in MOVED.splitlines()[other.mutation.line - 1]
    assert other.mutation.kind == kind


def test_a_comparison_with_text_is_found_as_one_with_a_member_of_an_enum():
    old = 'def is_open(row):\n    return row["state"] == "open"\n'
    new = "def is_open(stock: Stock) -> bool:\n    return stock.state is State.OPEN\n"
    other = counterpart("state", {"stock.py": new}, old)

    changed_text = other.mutation.apply(new.encode()).decode()
    assert changed_text.endswith("return (stock.state is not State.OPEN)\n")


def test_of_equal_places_the_one_that_stayed_is_taken():
    new = {"a.py": STOCK, "core/stock.py": STOCK, "z.py": STOCK}

    assert counterpart("raise Exhausted", new).mutation.file == "core/stock.py"


def test_a_twin_that_was_there_before_is_no_counterpart_of_what_was_removed():
    twin = STOCK.replace("def claim", "def reserve")

    assert counterpart("raise Exhausted", {"twin": twin}).mutation.definition == "reserve"
    assert counterpart("raise Exhausted", {"twin": OTHERS + MOVED}, twin=OTHERS + MOVED) is None


def test_what_is_nowhere_has_no_counterpart():
    assert counterpart("raise Exhausted", {"web.py": OTHERS}) is None


def test_a_seed_draws_the_same_mutations_of_a_feature_and_of_every_kind(tree):
    found = counterparts.find_all(tree / PACKAGE)
    drawn = features.draw(found, "core", 4, seed=3)

    assert drawn == features.draw(found, "core", 4, seed=3)
    assert {mutation.kind for mutation in drawn} == set(mutations.Kind)
    assert features.draw(found, "vouchers", 4, seed=3) == []


def test_a_file_belongs_to_the_feature_that_names_it_most_closely():
    assert features.feature_of("core/stock.py") == "core"
    assert features.feature_of("core/orders.py") == "discount_coupons"
    assert features.feature_of("wsgi.py") is None


def test_tests_named_like_the_place_run_first_and_before_them_the_one_that_failed_before(tmp_path):
    texts = {"test_audit": "def test_a_sum(): ...\n", "test_codes": "", "test_stock": ""}
    write(tmp_path / "tests" / "core", **texts)
    mutation = mutations.find(STOCK.encode(), "core/stock.py")[0]
    paths = ["tests/core", "tests/not_there"]

    by_place = features.order_tests(tmp_path, paths, mutation)
    assert [Path(file).stem for file in by_place] == ["test_stock", "test_audit", "test_codes"]
    by_failure = features.order_tests(tmp_path, paths, mutation, "test_a_sum")
    assert [Path(file).stem for file in by_failure] == ["test_audit", "test_stock", "test_codes"]


@pytest.fixture
def small_tree(tmp_path, monkeypatch):
    """A tree with one rule and the test of it, which pytest runs without its plugins."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    text = "def fits(size):\n    return size < 3 and size != 1\n"
    write(tmp_path / PACKAGE, __init__="", sizes=text)
    test = f"from {PACKAGE}.sizes import fits\n\n\ndef test_three():\n    assert not fits(3)\n"
    return write(tmp_path, test_sizes=test)


def outcome_of(change, own, tree):
    source = (tree / PACKAGE / "sizes.py").read_bytes()
    found = mutations.find(source, "sizes.py")
    mutation = next(one for one in found if (one.change, " ".join(one.own)) == (change, own))
    with runs.applied(mutation, tree):
        outcome = runs.Tests().run(tree, ["test_sizes.py"], 60)
    assert (tree / PACKAGE / "sizes.py").read_bytes() == source
    return outcome


def test_a_fault_is_killed_by_the_test_that_fails(small_tree):
    outcome = outcome_of("< to <=", "size < 3", small_tree)

    assert (outcome.result, outcome.test) == ("killed", "test_three")
    assert str(outcome) == "killed by test_sizes.py::test_three"


def test_a_fault_survives_where_no_test_fails(small_tree):
    assert outcome_of("!= to ==", "size != 1", small_tree).result == "survived"


def test_a_fault_that_makes_tests_wait_is_killed_by_time(small_tree):
    write(small_tree, test_sizes="import time\n\n\ndef test_it():\n    time.sleep(600)\n")

    assert str(runs.Tests().run(small_tree, ["test_sizes.py"], 3)) == "killed by time"


def test_tests_that_pytest_can_not_run_say_nothing_of_a_fault(small_tree):
    with pytest.raises(SystemExit, match="pytest ended with 4"):
        runs.Tests().run(small_tree, ["not_there.py"], 60)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with one rule and the test of it, in place of the project's."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setattr(trees, "ROOT", tmp_path)
    monkeypatch.setattr(mutate, "end_as_interrupted", lambda: None)
    for name in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{name}_NAME", "Test")
        monkeypatch.setenv(f"{name}_EMAIL", "test@example.com")
    write(tmp_path / PACKAGE, __init__="", credit_coupons__sizes=SIZES)
    write(tmp_path / "tests" / "credit_coupons", test_sizes=TEST_OF_SIZES)
    trees.git("init", "--quiet")
    trees.git("add", ".")
    trees.git("commit", "--quiet", "--message", "One")
    return tmp_path


RULE = f"{PACKAGE}/credit_coupons/sizes.py"
SIZES = "def fits(size):\n    return size < 3\n"
TEST_OF_SIZES = f"""
from {PACKAGE}.credit_coupons.sizes import fits


def test_two_fit_and_three_do_not():
    assert fits(2)
    assert not fits(3)
"""


def mutate_all():
    return mutate.main(["--feature", "credit_coupons", "--count", "2", "--jobs", "1"])


def test_moved_code_with_its_test_has_lost_nothing(repository, capsys):
    room = repository / PACKAGE / "credit_coupons"
    write(repository / PACKAGE, credit_coupons__sizes=SIZES.replace("fits", "is_small"))
    test = repository / "tests" / "credit_coupons" / "test_sizes.py"
    test.write_text(TEST_OF_SIZES.replace("import fits", "import is_small as fits"))
    trees.git("mv", str(room / "sizes.py"), str(room / "rules.py"))
    test.write_text(test.read_text().replace("sizes import", "rules import"))

    assert mutate_all() == 0
    said = capsys.readouterr().out
    assert "credit_coupons/rules.py:2 is_small" in said
    assert "2 old killed, new killed" in said


def test_a_rule_whose_test_is_gone_ends_with_1(repository, capsys):
    weak = TEST_OF_SIZES.replace("    assert not fits(3)\n", "")
    write(repository / "tests" / "credit_coupons", test_sizes=weak)

    assert mutate_all() == 1
    assert "2 old killed, new survived" in capsys.readouterr().out


def test_nothing_is_said_where_the_tests_fail_without_a_fault(repository):
    broken = TEST_OF_SIZES.replace("not fits(3)", "fits(3)")
    write(repository / "tests" / "credit_coupons", test_sizes=broken)

    with pytest.raises(SystemExit, match=r"new tree killed by .*test_two_fit_and_three_do_not"):
        mutate_all()
    assert len(trees.git("worktree", "list").splitlines()) == 1


def test_a_worktree_is_removed_also_after_an_interruption(repository):
    def read_and_be_interrupted():
        with trees.checked_out("HEAD") as folder:
            folders.append(folder)
            assert (folder / RULE).read_text() == SIZES
            assert (folder / ".venv" / "bin" / "python").exists()
            raise KeyboardInterrupt

    folders = []
    with pytest.raises(KeyboardInterrupt):
        read_and_be_interrupted()

    assert not folders[0].parent.exists()
    assert Path(sys.prefix).exists()
    assert len(trees.git("worktree", "list").splitlines()) == 1


def test_the_working_tree_is_read_with_what_is_not_committed_yet(repository):
    assert trees.working_tree() == trees.git("rev-parse", "HEAD").strip()
    write(repository / PACKAGE, credit_coupons__sizes="x = 2\n")

    with trees.checked_out(trees.working_tree()) as folder:
        assert (folder / RULE).read_text() == "x = 2\n"
    assert (repository / RULE).read_text() == "x = 2\n"
    assert trees.git("stash", "list") == ""


def judged(old, new):
    mutation = mutations.find(STOCK.encode(), "core/stock.py")[0]
    drawn = mutate.Drawn("core", mutation, counterparts.Counterpart(mutation, 1.0))
    return mutate.Judged(drawn, runs.Outcome(runs.Result(old)), runs.Outcome(runs.Result(new)))


@pytest.mark.parametrize(
    ("old", "new", "is_lost"),
    [
        ("killed", "survived", True),
        ("killed", "killed", False),
        ("killed", "no counterpart", False),
        ("survived", "-", False),
    ],
)
def test_a_rule_has_lost_its_test_where_only_the_old_one_kills(old, new, is_lost):
    assert judged(old, new).is_lost is is_lost
    assert ("LOST" in judged(old, new).row()) is is_lost
