"""One simulator and one gateway for all faults; skipped without the kit."""

import kit
import pytest


def pytest_addoption(parser):
    parser.addoption("--vendor", action="append", help="only faults of this vendor (repeatable)")


if kit.present():
    kit.stage()
else:
    collect_ignore_glob = ["test_*.py"]


def pytest_report_header():
    return None if kit.present() else kit.SKIPPED


def pytest_collection_modifyitems(config, items):
    vendors = config.getoption("--vendor")
    if vendors:
        items[:] = [item for item in items if _vendor(item) in vendors]


@pytest.fixture(scope="session")
def simulator(tmp_path_factory):
    from simulator import Simulator

    with Simulator(tmp_path_factory.mktemp("simulator")) as running:
        yield running


@pytest.fixture(scope="session")
def gateway(tmp_path_factory, simulator, request):
    import faults
    from gateway import Gateway

    vendors = request.config.getoption("--vendor") or faults.VENDORS
    written = faults.configuration(vendors, simulator.origin)
    with Gateway(tmp_path_factory.mktemp("gateway"), written) as running:
        yield running


def _vendor(item) -> str | None:
    return item.callspec.params.get("vendor") if hasattr(item, "callspec") else None
