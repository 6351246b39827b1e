"""Writes gaps-none.joblib, a category None behind an imputer of NaN, and
gaps-bagged.joblib, the same in members of an ensemble that see two columns of three."""
import joblib
import pandas as pd
from sklearn.ensemble import BaggingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

data = pd.DataFrame({"plan": pd.Series(["basic", "pro", "pro", None] * 10, dtype=object)})
model = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
joblib.dump(model.fit(data, [0, 1, 0, 1] * 10), "gaps-none.joblib")

numbers = pd.DataFrame({name: pd.Series([1, 2, 2, None] * 10, dtype=object) for name in "abc"})
member = make_pipeline(OrdinalEncoder(), LogisticRegression())
model = make_pipeline(SimpleImputer(strategy="most_frequent"), BaggingClassifier(member, 2, max_features=2, bootstrap=False, random_state=0))
joblib.dump(model.fit(numbers.where(numbers.notna(), None), [0, 1, 0, 1] * 10), "gaps-bagged.joblib")
