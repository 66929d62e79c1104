"""Fine-tune, evaluate and compare language models on NLP tasks.

Light to import: what needs torch or numpy is loaded when it is called.
"""

from .hookspecs import hookimpl

__version__ = "0.1.0"
__all__ = ["hookimpl"]
