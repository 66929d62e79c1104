"""BERT-like, GPT-like and T5-like models for plmtasks."""

from plmtasks import hookimpl

from .aliases import alias_models
from .checkpoint import Hub
from .scratch import Configurations
from .tiny import TINY


@hookimpl
def register_models():
    return [*alias_models(), *TINY, Hub(), Configurations()]
