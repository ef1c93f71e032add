"""scikit-learn's linear models of numbers."""

from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import (
    ARDRegression, BayesianRidge, ElasticNet, ElasticNetCV, GammaRegressor, HuberRegressor, Lars, LarsCV, Lasso, LassoCV,
    LassoLars, LassoLarsCV, LassoLarsIC, LinearRegression, MultiTaskElasticNet, MultiTaskElasticNetCV, MultiTaskLasso,
    MultiTaskLassoCV, OrthogonalMatchingPursuit, OrthogonalMatchingPursuitCV, PassiveAggressiveRegressor, PoissonRegressor,
    QuantileRegressor, RANSACRegressor, Ridge, RidgeCV, SGDRegressor, TheilSenRegressor, TweedieRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import data
from data import SEED
from export import OPSET, few, finish, sk, to_onnx


def without_shape():
    """An export that does not even say how many dimensions the input has, as skl2onnx allows."""
    x, y, rows = data.simulated()
    fitted = make_pipeline(StandardScaler(), Ridge()).fit(x, y)
    proto = to_onnx(fitted, {"X": rows})
    proto.graph.input[0].type.tensor_type.ClearField("shape")
    return finish(proto, fitted, rows)


def deviation():
    """A mean and its standard deviation."""
    x, y, rows = data.simulated(rows=data.FEW_ROWS)
    fitted = BayesianRidge().fit(x, y)
    proto = to_onnx(fitted, {"X": rows}, OPSET, {id(fitted): {"return_std": True}})
    names = [output.name for output in proto.graph.output]
    return proto.SerializeToString(), {"X": rows}, dict(zip(names, fitted.predict(rows, return_std=True)))


CASES = {
    "linear-regression": sk(LinearRegression()),
    "linear-regression-double": sk(LinearRegression(), double=True),
    "linear-regression-integers": few(LinearRegression(), integers=True),
    "linear-regression-multi": sk(LinearRegression(), targets=3),
    "linear-regression-no-intercept": few(LinearRegression(fit_intercept=False)),
    "linear-regression-one-feature": few(LinearRegression(), features=1),
    "linear-regression-linnerud": few(LinearRegression(), dataset="linnerud"),
    "linear-regression-opset-9": few(LinearRegression(), opset={"": 9, "ai.onnx.ml": 1}),
    "linear-regression-opset-22": few(LinearRegression(), opset={"": 22, "ai.onnx.ml": 3}),
    "ridge": few(Ridge(), dataset="diabetes"),
    "ridge-cv": few(RidgeCV(), dataset="diabetes"),
    "lasso": few(Lasso(alpha=0.1), dataset="diabetes"),
    "lasso-cv": few(LassoCV(cv=3)),
    "elastic-net": few(ElasticNet(alpha=0.1)),
    "elastic-net-cv": few(ElasticNetCV(cv=3)),
    "lars": few(Lars()),
    "lars-cv": few(LarsCV(cv=3)),
    "lasso-lars": few(LassoLars(alpha=0.01)),
    "lasso-lars-cv": few(LassoLarsCV(cv=3)),
    "lasso-lars-ic": few(LassoLarsIC()),
    "matching-pursuit": few(OrthogonalMatchingPursuit()),
    "matching-pursuit-cv": few(OrthogonalMatchingPursuitCV(cv=3)),
    "multi-task-lasso": few(MultiTaskLasso(alpha=0.1), targets=2),
    "multi-task-lasso-cv": few(MultiTaskLassoCV(cv=3), targets=2),
    "multi-task-elastic-net": few(MultiTaskElasticNet(alpha=0.1), targets=2),
    "multi-task-elastic-net-cv": few(MultiTaskElasticNetCV(cv=3), targets=2),
    "bayesian-ridge": few(BayesianRidge()),
    "bayesian-ridge-deviation": deviation,
    "ard-regression": few(ARDRegression()),
    "huber-regressor": few(HuberRegressor()),
    "theil-sen": few(TheilSenRegressor(random_state=SEED, max_subpopulation=100)),
    "ransac": few(RANSACRegressor(random_state=SEED)),
    "sgd-regressor": few(SGDRegressor(random_state=SEED)),
    "passive-aggressive-regressor": few(PassiveAggressiveRegressor(random_state=SEED)),
    "quantile-regressor": few(QuantileRegressor(alpha=0.01, solver="highs")),
    "poisson-regressor": few(PoissonRegressor(), positive=True),
    "poisson-regressor-double": few(PoissonRegressor(), positive=True, double=True),
    "gamma-regressor": few(GammaRegressor(), positive=True),
    "tweedie-regressor": few(TweedieRegressor(power=1.5), positive=True),
    "tweedie-regressor-normal": few(TweedieRegressor(power=0)),
    "partial-least-squares": few(PLSRegression(2)),
    "partial-least-squares-multi": few(PLSRegression(2), dataset="linnerud"),
    "without-shape": without_shape,
}
