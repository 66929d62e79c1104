"""What a suite may ask of Ray; without a cluster."""

from plmtasks_ray.engine import RayEngine


def test_what_could_run_code_needs_the_flag() -> None:
    plain = {"num_cpus": 2, "num_gpus": 0.5, "memory": 2_000_000_000, "resources": {"fast": 1}, "max_retries": 0}
    assert RayEngine().unsafe(plain) == []
    assert RayEngine().unsafe({**plain, "runtime_env": {"pip": ["theirs"]}, "name": "x"}) == ["runtime_env", "name"]
