"""Vectorizers before linear models: one text a row, alone or in a column of its own."""

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

from frame import Case, Refused

WORDS = ("the a not very good bad great terrible movie film plot actor I we it's 10 2024 caf\u00e9 na\u00efve \u00c5ngstr\u00f6m "
         "\u0141\u00f3d\u017a \u6570\u5b57 \u03a3\u039f\u03a6\u039f\u03a3 \u0130stanbul foo_bar B2B e-mail ok! , ; (so) \ufb01ne \u0661\u0662 x").split()
_rng = np.random.RandomState(5)


def text():
    return " ".join(_rng.choice(WORDS, _rng.randint(1, 12)))


TEXTS = [text() for _ in range(160)]
Y = np.array([t.count("good") + t.count("great") + len(t) % 2 > t.count("bad") for t in TEXTS]).astype(int)
ROWS = [text() for _ in range(36)] + [
    "", " ", "a", "unseen words only here", "GOOD Good good", "very  good\tmovie\n\nplot", "very not very not very",
    "cafe\u0301 caf\u00e9", "\u03a3\u0391\u03a3 \u03a3 \u0391\u03a3.", "\U0001f600 good \U0001f600", "\x1cgood\x1dbad", "\u00a0good\u2003bad\u3000",
    "good" * 50, "e-mail b2b foo_bar"]


class Documents:
    """Asks a model that takes texts, which come as a matrix of one column."""

    def __init__(self, name, model, kind="proba"):
        method = {"proba": "predict_proba", "decision": "decision_function"}[kind]
        self.case = Case("vectorizer-" + name, model, [[t] for t in ROWS], kind=kind, names=["text"],
                         values=lambda row: getattr(model, method)([str(v) for v in np.ravel(row)]),
                         predict=lambda row: model.predict([str(v) for v in np.ravel(row)]))


def vectorizers():
    yield "count", CountVectorizer()
    yield "count-binary", CountVectorizer(binary=True, ngram_range=(1, 2))
    yield "count-case", CountVectorizer(lowercase=False, min_df=2, max_df=0.8, max_features=30)
    yield "count-stop", CountVectorizer(stop_words="english", ngram_range=(1, 3))
    yield "count-stop-list", CountVectorizer(stop_words=["the", "very"], ngram_range=(2, 2))
    yield "count-accents", CountVectorizer(strip_accents="unicode")
    yield "count-ascii", CountVectorizer(strip_accents="ascii")
    yield "count-vocabulary", CountVectorizer(vocabulary=["good", "bad", "very good", "caf\u00e9"], ngram_range=(1, 2))
    yield "count-chars", CountVectorizer(analyzer="char", ngram_range=(1, 3), max_features=60)
    yield "count-chars-words", CountVectorizer(analyzer="char_wb", ngram_range=(2, 5), max_features=60)
    for i, pattern in enumerate([r"(?u)\b\w+\b", r"[a-zA-Z]{2,}", r"\S+", r"\b[a-z]{2,4}\b", r"[^\s,;]+", r"\w[\w-]*", r"\d+"]):
        yield "pattern-%d" % i, CountVectorizer(token_pattern=pattern)
    yield "tfidf", TfidfVectorizer()
    yield "tfidf-sublinear", TfidfVectorizer(sublinear_tf=True, norm="l1", ngram_range=(1, 2), max_features=80)
    yield "tfidf-plain", TfidfVectorizer(use_idf=False, norm=None)
    yield "tfidf-chars", TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 3), smooth_idf=False, strip_accents="unicode", max_features=80)
    yield "hashing", HashingVectorizer(n_features=64)
    yield "hashing-plain", HashingVectorizer(n_features=37, alternate_sign=False, norm="l1", ngram_range=(1, 2))
    yield "hashing-binary", HashingVectorizer(n_features=16, binary=True, norm=None, analyzer="char", ngram_range=(2, 3))


def models():
    for name, vectorizer in vectorizers():
        yield Documents(name, make_pipeline(vectorizer, LogisticRegression(C=5)).fit(TEXTS, Y)).case
    yield Documents("bayes", make_pipeline(CountVectorizer(), TfidfTransformer(sublinear_tf=True), MultinomialNB()).fit(TEXTS, Y)).case
    yield Documents("hashed-idf", make_pipeline(HashingVectorizer(n_features=128, norm=None, alternate_sign=False), TfidfTransformer(), LogisticRegression()).fit(TEXTS, Y)).case
    svd = Documents("svd", make_pipeline(TfidfVectorizer(), TruncatedSVD(5, random_state=0), LogisticRegression()).fit(TEXTS, Y)).case
    svd.tolerance = {"absolute": 1e-11, "relative": 1e-11}
    yield svd
    yield Documents("union", make_pipeline(make_union(TfidfVectorizer(), CountVectorizer(analyzer="char", max_features=20)), LogisticRegression(max_iter=500)).fit(TEXTS, Y)).case
    frame = pd.DataFrame({"title": pd.Series(TEXTS, dtype=object), "length": [float(len(t)) for t in TEXTS], "body": pd.Series(TEXTS[::-1], dtype=object)})
    rows = pd.DataFrame({"title": pd.Series(ROWS, dtype=object), "length": [float(len(t)) for t in ROWS], "body": pd.Series(ROWS[::-1], dtype=object)})
    columns = make_column_transformer((TfidfVectorizer(), "title"), (StandardScaler(), ["length"]), (CountVectorizer(max_features=15), "body"))
    yield Case("vectorizer-columns", make_pipeline(columns, LogisticRegression(max_iter=500)).fit(frame, Y), rows)
    yield Refused("vectorizer-tokenizer", make_pipeline(CountVectorizer(tokenizer=str.split, token_pattern=None), LogisticRegression()).fit(TEXTS, Y), "")
    yield Refused("vectorizer-pattern", make_pipeline(CountVectorizer(token_pattern=r"\w+(?=o)"), LogisticRegression()).fit(TEXTS, Y), "the token pattern")
