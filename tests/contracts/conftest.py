"""What pytest is told about the tests that schemathesis makes."""

from dataclasses import replace


def pytest_collection_modifyitems(items):
    # Those of all operations have one id, and pytest-xdist would take them for one test.
    for item in items:
        if operation := getattr(item, "operation_label", None):
            item._id = replace(item.id, params=operation)
