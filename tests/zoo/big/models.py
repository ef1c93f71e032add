"""Models and batches of the size that people serve."""

import numpy as np
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingClassifier, IsolationForest, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeRegressor
from xgboost import XGBClassifier, XGBRegressor

from data import SEED
from export import lightgbm, sk, xgboost

MANY = {"rows": 4096}
XGB = {"random_state": SEED, "n_jobs": 1}
LGBM = {"random_state": SEED, "n_jobs": 1, "verbose": -1, "deterministic": True}


def many(make):
    """The rows of the model, over and over, to 4096."""

    def made():
        model_bytes, inputs, library = make()
        count = len(next(iter(inputs.values())))
        wanted = np.arange(4096) % count
        return model_bytes, {name: values[wanted] for name, values in inputs.items()}, {name: np.asarray(values)[wanted] for name, values in library.items()}

    return made


CASES = {
    "big-random-forest-deep": sk(RandomForestClassifier(n_estimators=200, random_state=SEED), classes=2, features=30, **MANY),
    "big-random-forest-multiclass": sk(RandomForestClassifier(n_estimators=100, random_state=SEED), classes=10, **MANY),
    "big-extra-trees-targets": sk(ExtraTreesRegressor(n_estimators=50, random_state=SEED), targets=4, **MANY),
    "big-tree-of-one-path": sk(DecisionTreeRegressor(random_state=SEED), features=1, **MANY),
    "big-isolation-forest": sk(IsolationForest(n_estimators=100, random_state=SEED), unsupervised=True, rows=512),
    "big-gradient-boosting": sk(GradientBoostingClassifier(n_estimators=100, random_state=SEED), classes=3, **MANY),
    "big-xgboost-500x6": many(xgboost(XGBRegressor(n_estimators=500, max_depth=6, **XGB), features=30)),
    "big-xgboost-1000x8-nan": many(xgboost(XGBClassifier(n_estimators=1000, max_depth=8, **XGB), classes=2, missing=True)),
    "big-xgboost-thousand-features": xgboost(XGBClassifier(n_estimators=100, max_depth=6, **XGB), classes=3, features=1000),
    "big-lightgbm-500x31": many(lightgbm(LGBMRegressor(n_estimators=500, num_leaves=31, **LGBM), missing=True)),
    "big-lightgbm-500x255": many(lightgbm(LGBMClassifier(n_estimators=500, num_leaves=255, min_child_samples=2, **LGBM), classes=2, zipmap=False)),
    "big-lightgbm-categorical": many(lightgbm(LGBMRegressor(n_estimators=200, min_data_per_group=1, cat_smooth=0, max_cat_to_onehot=1, **LGBM), categorical=True)),
    "big-logistic-regression": sk(make_pipeline(StandardScaler(), LogisticRegression()), classes=2, features=30, **MANY),
    "big-logistic-regression-thousand-features": sk(LogisticRegression(), classes=3, features=1000, rows=256),
    "big-principal-components": sk(make_pipeline(StandardScaler(), PCA(20), Ridge()), features=200, **MANY),
    "big-mlp": sk(make_pipeline(StandardScaler(), MLPClassifier((256, 256, 256), max_iter=20, random_state=SEED)), classes=3, features=30, **MANY),
    "big-svc": sk(SVC(probability=True, random_state=SEED), classes=3, features=30, **MANY),
}
