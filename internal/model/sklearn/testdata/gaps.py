"""Writes gaps-none.joblib: a category None behind an imputer of NaN."""
import joblib
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

data = pd.DataFrame({"plan": pd.Series(["basic", "pro", "pro", None] * 10, dtype=object)})
model = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
joblib.dump(model.fit(data, [0, 1, 0, 1] * 10), "gaps-none.joblib")
