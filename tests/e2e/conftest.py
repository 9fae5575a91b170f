"""What modules share that use a rig of their own."""

import pytest


@pytest.fixture
def clean_log(rig):
    """A test begins without faults and ends with nothing wrong in the log."""
    rig.log_errors()
    rig.sim("faults/clear")
    yield
    rig.sim("faults/clear")
    assert rig.log_errors() == []
