"""BERT-like, GPT-like and T5-like models for plmtasks."""

from plmtasks import hookimpl

from .models import TINY, Configurations, Hub, alias_models


@hookimpl
def register_models():
    return [*alias_models(), *TINY, Hub(), Configurations()]
