"""Models that skops saved: a zip with a schema in JSON and one .npy an array."""

import io
import re
import zipfile

import skops.io
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from frame import (BINARY, FRAME, HOLED_ROWS, HOLES, MIXED, MIXED_ROWS, ROWS, SCORE, THREE, WORDS, X, Case, Refused,
                   framed)


def steady(content):
    """A skops file without what differs from run to run: it names every object
    and array by its address, which here becomes a running number, and has times."""
    source = zipfile.ZipFile(io.BytesIO(content))
    schema = source.read("schema.json").decode()
    numbers = {address: str(i + 1) for i, address in enumerate(dict.fromkeys(re.findall(r'"__id__": (\d+)', schema)))}

    def renamed(text):
        return re.sub(r"\b\d{9,}\b", lambda found: numbers.get(found[0], found[0]), text)

    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as z:
        for name in sorted(source.namelist(), key=renamed):
            data = renamed(schema).encode() if name == "schema.json" else source.read(name)
            z.writestr(zipfile.ZipInfo(renamed(name), (1980, 1, 1, 0, 0, 0)), data)
    return target.getvalue()


def models():
    def case(name, model, rows, **kw):
        content = steady(skops.io.dumps(model))
        skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content)).predict(rows[:3])
        return Case(name + ".skops", model, rows, file=content, **kw)

    yield case("logistic", LogisticRegression().fit(X, BINARY), ROWS)
    yield case("logistic-words", LogisticRegression(max_iter=500).fit(FRAME, WORDS[THREE]), framed(ROWS))
    yield case("ridge", Ridge().fit(X, SCORE), ROWS)
    yield case("pipeline", make_pipeline(StandardScaler(), MinMaxScaler(), LogisticRegression()).fit(FRAME, BINARY), framed(ROWS))
    yield case("imputed", make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()).fit(HOLES, BINARY), HOLED_ROWS)
    mixed = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), ["plan", "region"]), (StandardScaler(), ["age", "charges"]),
            remainder="passthrough"),
        LogisticRegression())
    yield case("columns", mixed.fit(MIXED, BINARY), MIXED_ROWS)
    yield case("forest", RandomForestClassifier(12, max_depth=4, random_state=0).fit(X, THREE), ROWS)
    yield case("forest-regressor", RandomForestRegressor(8, max_depth=4, random_state=0).fit(FRAME, SCORE), framed(ROWS))
    yield case("hist", HistGradientBoostingClassifier(max_iter=10, max_leaf_nodes=8, random_state=0).fit(HOLES, BINARY), HOLED_ROWS)
    yield case("svc", make_pipeline(StandardScaler(), SVC(random_state=0)).fit(X, BINARY), ROWS)
    refused = LogisticRegression()
    yield Refused("unfitted.skops", refused, "not fitted", file=steady(skops.io.dumps(refused)))
