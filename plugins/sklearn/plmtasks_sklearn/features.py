"""What a linear model sees of a text: TF-IDF of its words and of its characters."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plmtasks.data import tokens
from plmtasks.files import read_object

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from plmtasks.requests import Classify, Regress


def _words(text: str) -> list[str]:
    """Words and marks; in Thai, Japanese and others that put no blanks between words, each letter is one."""
    return [token for _, token in tokens(text)]


VIEWS: Mapping[str, Mapping[str, Any]] = {
    "words 1-2": {"sublinear_tf": True, "ngram_range": (1, 2), "tokenizer": _words, "token_pattern": None},
    "characters 1-5 in words": {
        "sublinear_tf": True,
        "ngram_range": (1, 5),
        "analyzer": "char_wb",
    },  # of what stands between blanks
    "characters 1-2": {"ngram_range": (1, 2), "analyzer": "char"},
}
"""What may be counted of a text, by name; in words and longer pieces, the logarithm of how often."""
MOST = 200_000
"""Terms of a view, the most frequent ones."""
TERMS = "terms.json"


@dataclass(frozen=True, kw_only=True)
class Features:
    """TF-IDF by each view, whose rows have length 1; of pairs, that of either text, and of what both share."""

    vectorizers: Mapping[str, Any]
    """View → scikit-learn's."""
    pairs: bool

    @classmethod
    def learned(cls, requests: "Sequence[Classify | Regress]", views: Sequence[str]) -> "Features":
        """The terms of these texts, and how rare they are."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        pairs = any(r.text_pair is not None for r in requests)
        texts = [text for r in requests for text in (r.text, r.text_pair) if text is not None]
        made = {}
        for view in views:
            vectorizer = TfidfVectorizer(**VIEWS[view], max_features=MOST)
            try:
                vectorizer.fit(texts)
            except ValueError:  # no text has a term
                vectorizer.fit(["?"])
            made[view] = vectorizer
        return cls(vectorizers=made, pairs=pairs)

    @classmethod
    def read(cls, folder: Path, rarity: "Mapping[str, NDArray[Any]]", *, pairs: bool) -> "Features":
        """rarity: view → its terms' inverse document frequencies"""
        import numpy as np
        from sklearn.feature_extraction.text import TfidfVectorizer

        terms = read_object(folder / TERMS, {view: [str] for view in rarity})
        made = {}
        for view, idf in rarity.items():
            vectorizer = TfidfVectorizer(**VIEWS[view], vocabulary={term: i for i, term in enumerate(terms[view])})
            vectorizer.idf_ = idf.astype(np.float64)
            made[view] = vectorizer
        return cls(vectorizers=made, pairs=pairs)

    def write(self, folder: Path) -> None:
        """The terms in the order of their columns, as plain JSON."""
        terms = {view: v.get_feature_names_out().tolist() for view, v in self.vectorizers.items()}
        (folder / TERMS).write_text(json.dumps(terms), encoding="utf-8")

    @property
    def rarity(self) -> "dict[str, NDArray[np.float32]]":
        import numpy as np

        return {view: v.idf_.astype(np.float32) for view, v in self.vectorizers.items()}

    def matrix(self, requests: "Sequence[Classify | Regress]") -> Any:
        """returns: sparse, float64, shape (requests, features)"""
        from scipy.sparse import csr_matrix, hstack

        found = []
        for vectorizer in self.vectorizers.values():
            one = vectorizer.transform([r.text for r in requests])
            found.append(one)
            if self.pairs:
                two = vectorizer.transform([r.text_pair or "" for r in requests])
                shared = one.multiply(two)
                found += [two, shared, csr_matrix(shared.sum(axis=1))]  # the last is the cosine
        return csr_matrix(hstack(found))
