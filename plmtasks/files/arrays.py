"""Named columns of numbers, as numpy writes them, read without trusting what wrote them."""

import ast
import io
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


def read_array(content: bytes) -> "NDArray[Any]":
    """The array in a file of numpy's format; thousands of files have the same header, which takes longer than all else.

    raises: ValueError
    """
    import numpy as np

    start = 12 + int.from_bytes(content[8:12], "little")
    count, dtype = _header(content[:start])
    if len(content) - start != count * dtype.itemsize:
        raise ValueError(f"{len(content) - start} bytes for {count} rows of {dtype.itemsize}")
    return np.frombuffer(content, dtype, offset=start).copy()


@lru_cache(maxsize=1000)
def _header(content: bytes) -> tuple[int, Any]:
    """Rows and type of an array of named numbers.

    raises: ValueError if it is no header of such a file
    """
    import io

    import numpy as np

    version = np.lib.format.read_magic(io.BytesIO(content))
    if version < (2, 0):
        raise ValueError(f"format {version[0]}.{version[1]}")
    # 3.0 is 2.0 in UTF-8, and numpy reads it by a private function alone
    text = content[12:].decode("utf-8")
    try:
        described = ast.literal_eval(text)
        (count,) = described["shape"]
        dtype = np.lib.format.descr_to_dtype(described["descr"])
    # what literal_eval says that it raises, and what is not as numpy writes it
    except (ValueError, TypeError, LookupError, AttributeError, SyntaxError, MemoryError, RecursionError) as e:
        raise ValueError(f"no header of named numbers: {type(e).__name__}: {e}"[:200]) from e
    kinds = {str(field[0]) for field in (dtype.fields or {}).values()}
    if type(count) is not int or count < 0 or not kinds <= {"float64", "int64"}:
        raise ValueError(f"{count!r:.40} rows of {dtype}"[:200])
    return count, dtype


def array_bytes(array: "NDArray[Any]") -> bytes:
    """The bytes that `read_array` reads."""
    import numpy as np

    buffer = io.BytesIO()
    # 3.0 has UTF-8 names: labels are in any script, and np.save would warn of them
    np.lib.format.write_array(buffer, array, version=(3, 0), allow_pickle=False)
    return buffer.getvalue()
