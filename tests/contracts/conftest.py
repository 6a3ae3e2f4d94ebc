"""Ids of the tests that schemathesis generates."""

from dataclasses import replace


def pytest_collection_modifyitems(items):
    # schemathesis gives the tests of all operations one id, and pytest-xdist would take them for
    # one test.
    for item in items:
        if operation := getattr(item, "operation_label", None):
            item._id = replace(item.id, params=operation)
