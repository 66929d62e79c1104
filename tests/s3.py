"""A real S3 server on this machine, for tests of stores at addresses."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec

MISSING = [name for name in ("moto", "flask", "s3fs") if find_spec(name) is None]
"""Packages without which there is none."""


@contextmanager
def server() -> Iterator[Mapping[str, str]]:
    """The environment by which s3fs, and processes that are started, find a server with nothing in it but a bucket `bucket`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    environment = {
        "AWS_ACCESS_KEY_ID": "user", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }  # fmt: skip
    before = {name: os.environ.get(name) for name in environment}
    try:
        os.environ.update(environment)
        _wait(port, process)
        import s3fs

        s3fs.S3FileSystem.clear_instance_cache()  # or one of an earlier server would be used again
        s3fs.S3FileSystem().mkdir("bucket")
        yield environment
    finally:
        process.terminate()
        process.wait()
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _wait(port: int, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the S3 server does not answer")
