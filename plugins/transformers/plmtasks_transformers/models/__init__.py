"""Models by name: aliases, hub ids and folders, and models that are made from a configuration.

Light to import: a model's files are looked at when it is asked for them, torch is imported when it is loaded.
"""

from .hub import Hub, alias_models
from .pretrained import Pretrained
from .scratch import TINY, Configurations

__all__ = ["TINY", "Configurations", "Hub", "Pretrained", "alias_models"]
