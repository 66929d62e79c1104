"""The cluster that all of these tests share."""

from collections.abc import Iterator

import pytest
from ray_nodes import Cluster, two_ray_nodes


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    pytest.importorskip("ray", reason="no Ray here (package ray)")
    with two_ray_nodes(tmp_path_factory.mktemp("ray")) as cluster:
        yield cluster
