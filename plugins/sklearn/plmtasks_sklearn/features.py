"""What a linear model sees of a text: TF-IDF of its words and of its characters."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plmtasks.documents import read_object

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from plmtasks.requests import Classify

VIEWS = {
    "words": {"ngram_range": (1, 2), "token_pattern": r"\w+|[^\w\s]"},
    "characters": {"ngram_range": (2, 5), "analyzer": "char_wb"},  # within words; where no blanks stand, of the whole text
}
"""What is counted of a text."""
COMMON = {"sublinear_tf": True, "lowercase": True}
MOST = 200_000
"""Terms of a view, the most frequent ones."""
TERMS = "terms.json"


@dataclass(frozen=True, kw_only=True)
class Features:
    """TF-IDF by each view, whose rows have length 1; of pairs, that of either text, and of what both share."""

    vectorizers: Sequence[Any]
    pairs: bool

    @classmethod
    def learned(cls, requests: "Sequence[Classify]") -> "Features":
        """The terms of these texts, and how rare they are."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        pairs = any(r.text_pair is not None for r in requests)
        texts = [text for r in requests for text in (r.text, r.text_pair) if text is not None]
        made = []
        for options in VIEWS.values():
            vectorizer = TfidfVectorizer(**COMMON, **options, max_features=MOST)
            try:
                vectorizer.fit(texts)
            except ValueError:  # no text has a term
                vectorizer.fit(["?"])
            made.append(vectorizer)
        return cls(vectorizers=made, pairs=pairs)

    @classmethod
    def read(cls, folder: Path, rarity: "Sequence[NDArray[Any]]", *, pairs: bool) -> "Features":
        """rarity: the terms' inverse document frequencies, view by view"""
        import numpy as np
        from sklearn.feature_extraction.text import TfidfVectorizer

        terms = read_object(folder / TERMS, {view: [str] for view in VIEWS})
        made = []
        for (view, options), idf in zip(VIEWS.items(), rarity, strict=True):
            vectorizer = TfidfVectorizer(**COMMON, **options, vocabulary={term: i for i, term in enumerate(terms[view])})
            vectorizer.idf_ = idf.astype(np.float64)
            made.append(vectorizer)
        return cls(vectorizers=made, pairs=pairs)

    def write(self, folder: Path) -> None:
        """The terms in the order of their columns, as plain JSON."""
        terms = {view: v.get_feature_names_out().tolist() for view, v in zip(VIEWS, self.vectorizers, strict=True)}
        (folder / TERMS).write_text(json.dumps(terms), encoding="utf-8")

    @property
    def rarity(self) -> "list[NDArray[np.float32]]":
        import numpy as np

        return [v.idf_.astype(np.float32) for v in self.vectorizers]

    def matrix(self, requests: "Sequence[Classify]") -> Any:
        """returns: sparse, float64, shape (requests, features)"""
        from scipy.sparse import csr_matrix, hstack

        found = []
        for vectorizer in self.vectorizers:
            one = vectorizer.transform([r.text for r in requests])
            found.append(one)
            if self.pairs:
                two = vectorizer.transform([r.text_pair or "" for r in requests])
                shared = one.multiply(two)
                found += [two, shared, csr_matrix(shared.sum(axis=1))]  # the last is the cosine
        return csr_matrix(hstack(found))
