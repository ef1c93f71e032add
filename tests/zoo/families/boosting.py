"""XGBoost and LightGBM."""

import numpy as np
import onnxmltools
from lightgbm import LGBMClassifier, LGBMRanker, LGBMRegressor
from onnxmltools.convert.common.data_types import FloatTensorType
from xgboost import XGBClassifier, XGBRanker, XGBRegressor, XGBRFClassifier, XGBRFRegressor

import data
from data import COLOURS, SEED
from export import finish, lightgbm, xgboost

XGB = {"n_estimators": 12, "max_depth": 3, "random_state": SEED, "n_jobs": 1}
LGBM = {"n_estimators": 10, "num_leaves": 7, "random_state": SEED, "n_jobs": 1, "verbose": -1, "deterministic": True}
RANDOM_FOREST = {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.7}


def ranker(objective):
    """onnxmltools knows no XGBRanker, but its trees are those of a regressor."""

    def make():
        x, y, rows = data.simulated()
        relevance = np.digitize(y, np.quantile(y, [0.25, 0.5, 0.75]))
        fitted = XGBRanker(objective=objective, **XGB).fit(x, relevance, group=[20] * (len(x) // 20))
        regressor = XGBRegressor()
        regressor.load_model(fitted.get_booster().save_raw("json"))
        kind = FloatTensorType([None, data.FEATURES])
        proto = onnxmltools.convert_xgboost(regressor, initial_types=[("X", kind)], target_opset=15, name="model")
        return finish(proto, fitted, rows)

    return make


CASES = {
    "xgboost-binary": xgboost(XGBClassifier(**XGB), classes=2),
    "xgboost-binary-nan": xgboost(XGBClassifier(**XGB), classes=2, missing=True),
    "xgboost-binary-base-score": xgboost(XGBClassifier(base_score=0.2, **XGB), classes=2),
    "xgboost-binary-cancer": xgboost(XGBClassifier(**XGB), dataset="cancer"),
    "xgboost-binary-hinge": xgboost(XGBClassifier(objective="binary:hinge", base_score=0.5, **XGB), classes=2),
    "xgboost-multiclass": xgboost(XGBClassifier(**XGB), classes=3),
    "xgboost-multiclass-base-score": xgboost(XGBClassifier(base_score=0.2, **XGB), classes=3),
    "xgboost-multiclass-nan": xgboost(XGBClassifier(**XGB), classes=3, missing=True),
    "xgboost-multiclass-softmax": xgboost(XGBClassifier(objective="multi:softmax", **XGB), classes=3),
    "xgboost-multiclass-wine": xgboost(XGBClassifier(**XGB), dataset="wine"),
    "xgboost-multiclass-digits": xgboost(XGBClassifier(**{**XGB, "n_estimators": 2}), dataset="digits"),
    "xgboost-regressor": xgboost(XGBRegressor(**XGB)),
    "xgboost-regressor-nan": xgboost(XGBRegressor(**XGB), missing=True),
    "xgboost-regressor-diabetes": xgboost(XGBRegressor(**XGB), dataset="diabetes"),
    "xgboost-regressor-one-feature": xgboost(XGBRegressor(**XGB), features=1),
    "xgboost-regressor-deep": xgboost(XGBRegressor(**{**XGB, "n_estimators": 2, "max_depth": 12})),
    "xgboost-regressor-lossguide": xgboost(XGBRegressor(grow_policy="lossguide", max_leaves=9, tree_method="hist", **{**XGB, "max_depth": 0})),
    "xgboost-regressor-logistic": xgboost(XGBRegressor(objective="reg:logistic", base_score=0.5, **XGB), classes=2),
    "xgboost-regressor-absolute": xgboost(XGBRegressor(objective="reg:absoluteerror", **XGB)),
    "xgboost-regressor-huber": xgboost(XGBRegressor(objective="reg:pseudohubererror", base_score=0.0, **XGB)),
    "xgboost-regressor-gamma": xgboost(XGBRegressor(objective="reg:gamma", base_score=1.0, **XGB), positive=True),
    "xgboost-regressor-tweedie": xgboost(XGBRegressor(objective="reg:tweedie", base_score=1.0, **XGB), positive=True),
    "xgboost-regressor-poisson": xgboost(XGBRegressor(objective="count:poisson", base_score=1.0, **XGB), counts=True),
    "xgboost-regressor-squared-log": xgboost(XGBRegressor(objective="reg:squaredlogerror", base_score=0.5, **XGB), positive=True),
    "xgboost-regressor-quantile": xgboost(XGBRegressor(objective="reg:quantileerror", quantile_alpha=0.8, **XGB)),
    "xgboost-stump": xgboost(XGBRegressor(n_estimators=1, max_depth=1, random_state=SEED)),
    "xgboost-random-forest": xgboost(XGBRFRegressor(**XGB)),
    "xgboost-random-forest-binary": xgboost(XGBRFClassifier(**XGB), classes=2),
    "xgboost-ranker": ranker("rank:ndcg"),
    "xgboost-ranker-pairwise": ranker("rank:pairwise"),
    "xgboost-opset-9": xgboost(XGBRegressor(**XGB), opset=9),
    "xgboost-binary-opset-9": xgboost(XGBClassifier(**XGB), classes=2, opset=9),
    "lightgbm-binary-zipmap": lightgbm(LGBMClassifier(**LGBM), classes=2),
    "lightgbm-binary": lightgbm(LGBMClassifier(**LGBM), classes=2, zipmap=False),
    "lightgbm-binary-nan": lightgbm(LGBMClassifier(**LGBM), classes=2, missing=True, zipmap=False),
    "lightgbm-binary-strings": lightgbm(LGBMClassifier(**LGBM), classes=2, labels=["no", "yes"], zipmap=False),
    "lightgbm-binary-cancer": lightgbm(LGBMClassifier(**LGBM), dataset="cancer", zipmap=False),
    "lightgbm-categorical": lightgbm(LGBMRegressor(min_data_per_group=1, cat_smooth=0, **LGBM), categorical=True),
    "lightgbm-categorical-many": lightgbm(LGBMRegressor(min_data_per_group=1, cat_smooth=0, max_cat_to_onehot=1, **LGBM), categorical=True),
    "lightgbm-multiclass": lightgbm(LGBMClassifier(**LGBM), classes=3, zipmap=False),
    "lightgbm-multiclass-strings": lightgbm(LGBMClassifier(**LGBM), classes=3, labels=COLOURS, zipmap=False),
    "lightgbm-multiclass-ova": lightgbm(LGBMClassifier(objective="multiclassova", **LGBM), classes=3, zipmap=False),
    "lightgbm-multiclass-iris": lightgbm(LGBMClassifier(**LGBM), dataset="iris", zipmap=False),
    "lightgbm-regressor": lightgbm(LGBMRegressor(**LGBM)),
    "lightgbm-regressor-nan": lightgbm(LGBMRegressor(**LGBM), missing=True),
    "lightgbm-regressor-zero-missing": lightgbm(LGBMRegressor(zero_as_missing=True, **LGBM), missing=True),
    "lightgbm-regressor-diabetes": lightgbm(LGBMRegressor(**LGBM), dataset="diabetes"),
    "lightgbm-regressor-one-feature": lightgbm(LGBMRegressor(**LGBM), features=1),
    "lightgbm-regressor-l1": lightgbm(LGBMRegressor(objective="l1", **LGBM)),
    "lightgbm-regressor-huber": lightgbm(LGBMRegressor(objective="huber", **LGBM)),
    "lightgbm-regressor-quantile": lightgbm(LGBMRegressor(objective="quantile", alpha=0.8, **LGBM)),
    "lightgbm-regressor-poisson": lightgbm(LGBMRegressor(objective="poisson", **LGBM), counts=True),
    "lightgbm-regressor-gamma": lightgbm(LGBMRegressor(objective="gamma", **LGBM), positive=True),
    "lightgbm-regressor-tweedie": lightgbm(LGBMRegressor(objective="tweedie", **LGBM), positive=True),
    "lightgbm-random-forest": lightgbm(LGBMRegressor(**RANDOM_FOREST, **LGBM)),
    "lightgbm-random-forest-binary": lightgbm(LGBMClassifier(**RANDOM_FOREST, **LGBM), classes=2, zipmap=False),
    "lightgbm-dart": lightgbm(LGBMRegressor(boosting_type="dart", **LGBM)),
    "lightgbm-dart-binary": lightgbm(LGBMClassifier(boosting_type="dart", **LGBM), classes=2, zipmap=False),
    "lightgbm-goss": lightgbm(LGBMRegressor(data_sample_strategy="goss", **LGBM)),
    "lightgbm-linear-trees": lightgbm(LGBMRegressor(linear_tree=True, **LGBM)),
    "lightgbm-ranker": lightgbm(LGBMRanker(**LGBM), groups=True),
    "lightgbm-stump": lightgbm(LGBMRegressor(**{**LGBM, "n_estimators": 1, "num_leaves": 2})),
    "lightgbm-opset-9": lightgbm(LGBMClassifier(**LGBM), classes=2, zipmap=False, opset=9),
}
