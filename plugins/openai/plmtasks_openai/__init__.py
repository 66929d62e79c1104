"""Models behind servers of the OpenAI protocol for plmtasks."""

from plmtasks import hookimpl

from .served import Servers


@hookimpl
def register_models():
    return [Servers()]
