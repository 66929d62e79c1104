"""What goes wrong within lm-eval, as one clear message each."""

import contextlib
import io
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec

from plmtasks.errors import InputError, PlmtasksError, summary_of

LOGIN = "whoever has access logs in with `hf auth login`"

SCRIPT = re.compile(r"module script at \S*?/(\w+)\.py")
"""How evaluate tells that it has no metric of a name."""

HUB = "with no network, or no access, name files in its columns with --data PATH"


@contextmanager
def refused(said: str, *, columns: Sequence[str] = (), dataset: str = "") -> Iterator[None]:
    """Makes an InputError of whatever goes wrong within.

    said: what cannot be done, in words
    columns: of the documents, where they are known
    dataset: the data set of the hub that is opened within
    """
    try:
        yield
    except PlmtasksError:
        raise
    except ImportError as e:
        raise InputError(f"{said}: {_missing(e)}", *_installing(e)) from e
    except (Exception, SystemExit) as e:  # a task's own code may raise anything
        raise InputError(f"{said}: {_told(e)}", *_hints(e, columns, dataset)) from e


def _told(error: BaseException) -> str:
    said = summary_of(error)
    return said if type(error) in (InputError, ValueError, AssertionError) and str(error) else f"{type(error).__name__}: {said}"


def _missing(error: ImportError) -> str:
    package = (error.name or "").partition(".")[0]
    if not package or not isinstance(error, ModuleNotFoundError):
        return summary_of(error)
    if package != error.name and find_spec(package) is not None:
        return f"the installed {package} has no {error.name}"
    return f"a package {package!r} is not installed"


def _installing(error: ImportError) -> list[str]:
    """What brings a missing package: an extra of lm-eval, or the package itself."""
    from importlib.metadata import requires

    said = f"{error.name or ''} {error}".lower().replace("_", "-")
    told = re.search(r"lm[-_]eval\[([\w,-]+)\]", str(error))
    extras = [told[1]] if told else []
    for line in requires("lm_eval") or ():
        package, extra = re.match(r"[\w.-]+", line), re.search(r"extra == [\"']([\w-]+)[\"']", line)
        if package and extra and re.search(rf"\b{re.escape(package[0].lower().replace('_', '-'))}\b", said):
            extras.append(extra[1])
    if extras:
        return [f"pip install 'lm_eval[{extras[0]}]'"]
    return [f"pip install {error.name.partition('.')[0]}"] if error.name else []


def _hints(error: BaseException, columns: Sequence[str], dataset: str) -> list[str]:
    name = type(error).__name__
    if script := SCRIPT.search(str(error)):
        said = f"it scores by {script[1]!r} of the evaluate library, whose code lies on the hub: once with a network, it is kept"
        return [said, f"or it is read from a file {script[1]}/{script[1]}.py here"]
    missing = re.search(r"'(\w+)' is undefined|no attribute '(\w+)'", str(error)) if name == "UndefinedError" else None
    column = error.args[0] if isinstance(error, KeyError) and error.args else missing and (missing[1] or missing[2])
    if columns and column and column not in columns:
        return [f"it reads a column {column!r}; the data have: {', '.join(columns)}"]
    if dataset and not columns:
        return [f"its data set is {dataset}", *([LOGIN] if "gated" in str(error).lower() else []), HUB]
    return [f"the data have: {', '.join(columns)}"] if columns and name in ("KeyError", "UndefinedError") else []


@contextmanager
def quiet() -> Iterator[None]:
    """lm-eval's and datasets' bars and advice are kept from the terminal: each process would tell them."""
    import datasets

    logger, shown = logging.getLogger("lm_eval"), datasets.utils.logging.is_progress_bar_enabled()
    level = logger.level
    logger.setLevel(logging.ERROR)
    datasets.utils.logging.disable_progress_bar()
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
        if shown:
            datasets.utils.logging.enable_progress_bar()
