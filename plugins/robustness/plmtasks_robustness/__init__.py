"""Perturbations for plmtasks: the same examples put in another way."""

from plmtasks import hookimpl

from .people import Names, Pronouns
from .spelling import Case, Typos
from .synonyms import SynonymFiles
from .writing import Contractions, Punctuation, WhiteSpace


@hookimpl
def register_perturbations():
    return [Typos(), Case(), Punctuation(), Contractions(), WhiteSpace(), Names(), Pronouns(), SynonymFiles()]
