"""Texts, and pipelines as people write them."""

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline, make_union
from sklearn.preprocessing import (
    Binarizer, MaxAbsScaler, MinMaxScaler, OneHotEncoder, OrdinalEncoder, PolynomialFeatures, StandardScaler,
)

from frame import (BINARY, FRAME, HOLED_ROWS, HOLES, MIXED, MIXED_ROWS, ROWS, SCORE, THREE, WORDS, X, Case, Refused,
                   framed, probe, since)

SAFE_ROWS = np.clip(ROWS, -1e6, 1e6)
TEXTS = [
    "The quick brown fox jumps over the lazy dog", "never jump over the lazy dog quickly", "", "a b c d",
    "Caf\u00e9 au lait, cr\u00e8me br\u00fbl\u00e9e; \u00c9t\u00e9 \u00e0 Paris!", "\u0141\u00f3d\u017a \u00f1and\u00fa \u00dcberma\u00df STRASSE stra\u00dfe",
    "\u91d1\u878d\u5e02\u573a \u4eca\u65e5 \u4e0a\u6da8", "price: $12.50 (was 15,00) -- 16% off", "under_score camelCase x2 10x e-mail me@example.org",
    "\u0130stanbul \u0131\u015f\u0131k \u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2 \u039c\u0391\u03a3", "tab\tand\nnewline   many   spaces", "dog dog dog fox fox lazy",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645 \u0968\u0969", "emoji \U0001f600 smile \U0001f600", "don't can't won't it's", "naive cafe na\u00efve caf\u00e9",
]
WORDY = [TEXTS[i % 16] + (" " + TEXTS[(i * 7 + 3) % 16] if i % 3 else "") for i in range(240)]
WORDY_ROWS = [[WORDY[i] if i < 40 else TEXTS[i % 16] + " unseenword " + TEXTS[(i + 5) % 16]] for i in range(50)]


def combined():
    yield Case("union", probe(FeatureUnion([("s", StandardScaler()), ("p", PCA(2, random_state=0)), ("d", "drop")], transformer_weights={"p": 0.5})).fit(X), ROWS)
    yield Case("union-pipelines", probe(make_union(make_pipeline(StandardScaler(), PolynomialFeatures(2)), Binarizer())).fit(FRAME), framed(SAFE_ROWS))
    mixed = [("words", OneHotEncoder(handle_unknown="ignore"), ["plan", "region"]), ("numbers", StandardScaler(), ["charges", "age"])]
    yield Case("columns", make_pipeline(ColumnTransformer(mixed, remainder="passthrough"), LogisticRegression()).fit(MIXED, BINARY), MIXED_ROWS)
    yield Case("columns-dense", probe(ColumnTransformer(mixed, remainder="passthrough", sparse_threshold=0)).fit(MIXED), MIXED_ROWS)
    yield Case("columns-drop", probe(ColumnTransformer(mixed, sparse_threshold=0)).fit(MIXED), MIXED_ROWS)
    selected = ColumnTransformer([
        ("words", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), ["plan", "region"]),
        ("numbers", MinMaxScaler(), make_column_selector(dtype_include=float))], remainder="passthrough")
    yield Case("columns-selector", probe(selected).fit(MIXED), MIXED_ROWS)
    yield Case("columns-forest", make_pipeline(ColumnTransformer(mixed), RandomForestClassifier(5, max_depth=4, random_state=0)).fit(MIXED, WORDS[THREE]), MIXED_ROWS)
    imputed = ColumnTransformer([
        ("n", make_pipeline(SimpleImputer(), StandardScaler()), ["tenure", "usage"]), ("m", SimpleImputer(strategy="median", add_indicator=True), ["discount"])],
        remainder=make_pipeline(SimpleImputer(strategy="constant", fill_value=0), MaxAbsScaler()))
    yield Case("columns-imputed", make_pipeline(imputed, LogisticRegression()).fit(pd.DataFrame(HOLES, columns=FRAME.columns), BINARY), framed(HOLED_ROWS))
    yield Case("columns-hist", make_pipeline(ColumnTransformer([("s", MinMaxScaler(), [0, 1])], remainder="passthrough"), HistGradientBoostingClassifier(max_iter=5, random_state=0)).fit(HOLES, BINARY), HOLED_ROWS)
    yield Case("pipeline-passthrough", Pipeline([("a", "passthrough"), ("s", StandardScaler()), ("m", Ridge())]).fit(FRAME, SCORE), framed(ROWS))
    if since("sklearn", "1.2"):
        pandas_out = ColumnTransformer(mixed[1:], remainder="drop").set_output(transform="pandas")
        numbers = ["age", "charges", "paperless"]
        yield Case("columns-pandas-output", make_pipeline(pandas_out, Ridge()).fit(MIXED[numbers], SCORE), MIXED_ROWS[numbers])


def texts():
    """Each row is one document. A vectorizer takes a list of strings, so that the
    row that the model takes is made of the text in the row."""
    def case(name, vectorizer, y=BINARY, tolerance=None):
        model = make_pipeline(vectorizer, LogisticRegression()).fit(WORDY, y)
        ask = lambda row: model.predict_proba([row[0][0]])
        kw = {"tolerance": tolerance} if tolerance else {}
        return Case(name, model, WORDY_ROWS, names=["text"], values=ask, predict=lambda row: model.predict([row[0][0]]), **kw)

    for name, vectorizer in [
        ("count", CountVectorizer()), ("count-binary", CountVectorizer(binary=True, lowercase=False)), ("count-pairs", CountVectorizer(ngram_range=(1, 2), min_df=2)),
        ("count-characters", CountVectorizer(analyzer="char", ngram_range=(2, 3), max_features=200)), ("count-inside-words", CountVectorizer(analyzer="char_wb", ngram_range=(3, 4), max_features=200)),
        ("count-accents", CountVectorizer(strip_accents="unicode")), ("count-ascii", CountVectorizer(strip_accents="ascii")),
        ("count-stop-words", CountVectorizer(stop_words="english")), ("count-own-stop-words", CountVectorizer(stop_words=["dog", "the"])),
        ("count-vocabulary", CountVectorizer(vocabulary=["fox", "dog", "lazy", "caf\u00e9"])), ("count-pattern", CountVectorizer(token_pattern=r"[a-z]+")),
        ("tfidf", TfidfVectorizer()), ("tfidf-sublinear", TfidfVectorizer(sublinear_tf=True, norm="l1", smooth_idf=False)), ("tfidf-no-idf", TfidfVectorizer(use_idf=False, norm=None)),
        ("tfidf-pairs", TfidfVectorizer(ngram_range=(1, 3), max_features=150)),
        ("hashing", HashingVectorizer(n_features=64)), ("hashing-plain", HashingVectorizer(n_features=32, alternate_sign=False, norm="l1", ngram_range=(1, 2))),
    ]:
        yield case(name, vectorizer, THREE if name in ("tfidf", "count") else BINARY)
    yield case("count-tfidf", make_pipeline(CountVectorizer(), TfidfTransformer()))
    table = pd.DataFrame({"note": WORDY, "age": MIXED["age"], "plan": MIXED["plan"]})
    rows = pd.DataFrame({"note": [text for [text] in WORDY_ROWS], "age": MIXED_ROWS["age"], "plan": MIXED_ROWS["plan"]})
    columns = ColumnTransformer([("t", TfidfVectorizer(), "note"), ("n", StandardScaler(), ["age"]), ("c", OneHotEncoder(handle_unknown="ignore"), ["plan"])])
    yield Case("text-column", make_pipeline(columns, LogisticRegression()).fit(table, BINARY), rows)
    yield Case("text-column-svd", make_pipeline(columns, TruncatedSVD(4, random_state=0), LogisticRegression()).fit(table, WORDS[THREE]), rows)


def models():
    yield from texts()
    yield from combined()
    yield Refused("own-tokenizer", make_pipeline(CountVectorizer(tokenizer=str.split), LogisticRegression()).fit(WORDY, BINARY), "builtins")
    yield Refused("no-model", StandardScaler().fit(X), "StandardScaler")
