"""scikit-learn's scalers, encoders, imputers, discretisers, selections and decompositions."""

import numpy as np
from sklearn.decomposition import PCA, IncrementalPCA, KernelPCA, TruncatedSVD
from sklearn.ensemble import ExtraTreesClassifier, RandomForestRegressor
from sklearn.feature_selection import (
    RFE, RFECV, GenericUnivariateSelect, SelectFdr, SelectFpr, SelectFromModel, SelectFwe, SelectKBest, SelectPercentile,
    VarianceThreshold, f_classif,
)
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    Binarizer, FunctionTransformer, KBinsDiscretizer, KernelCenterer, LabelBinarizer, MaxAbsScaler, MinMaxScaler, Normalizer,
    PolynomialFeatures, PowerTransformer, QuantileTransformer, RobustScaler, StandardScaler,
)
from sklearn.random_projection import GaussianRandomProjection
from sklearn.tree import DecisionTreeRegressor
from skl2onnx.sklapi import CastRegressor, CastTransformer, ReplaceTransformer

import data
from data import SEED
from export import few, finish, sk, to_onnx

FOREST = {"n_estimators": 6, "max_depth": 4, "random_state": SEED}
# The method that the exporter's pins have as their default is to change.
BINS = {"quantile_method": "averaged_inverted_cdf"}
FORM = {"unsupervised": True}


def label_binarizer(**options):
    """Integers of one dimension, to a column for each that was learnt."""

    def make():
        labels = np.array([2, 0, 7, 2, 5])
        fitted = LabelBinarizer(**options).fit(labels)
        asked = np.array([7, 2, 0, 1, 5])
        return finish(to_onnx(fitted, {"X": asked}), fitted, asked)

    return make


def centred_kernel():
    x, _, asked = data.simulated(rows=data.FEW_ROWS)
    products = asked @ x[:12].T
    fitted = KernelCenterer().fit(x[:12] @ x[:12].T)
    return finish(to_onnx(fitted, {"X": products}), fitted, products)


CASES = {
    "standard-scaler": few(StandardScaler(), dataset="wine", **FORM),
    "standard-scaler-double": few(StandardScaler(), double=True, **FORM),
    "standard-scaler-integers": few(StandardScaler(), integers=True, **FORM),
    "standard-scaler-mean-only": few(StandardScaler(with_std=False), **FORM),
    "standard-scaler-deviation-only": few(StandardScaler(with_mean=False), **FORM),
    "robust-scaler": few(RobustScaler(), **FORM),
    "max-abs-scaler": few(MaxAbsScaler(), **FORM),
    "min-max-scaler": few(MinMaxScaler(), **FORM),
    "min-max-scaler-clip": few(MinMaxScaler((-1, 1), clip=True), **FORM),
    "min-max-scaler-double": few(MinMaxScaler(), double=True, **FORM),
    "scaler-logistic-integers": sk(make_pipeline(StandardScaler(), LogisticRegression()), classes=2, integers=True),
    "scalers": sk(make_pipeline(MinMaxScaler(), MaxAbsScaler(), RobustScaler(), Ridge())),
    "normalizer-l1": sk(make_pipeline(Normalizer("l1"), Ridge())),
    "normalizer-l2": sk(make_pipeline(Normalizer("l2"), Ridge())),
    "normalizer-max": sk(make_pipeline(Normalizer("max"), Ridge())),
    "normalizer-double": few(Normalizer("l2"), double=True, **FORM),
    "binarizer": few(Binarizer(threshold=0.3), **FORM),
    "binarizer-double": few(Binarizer(threshold=0.3), double=True, **FORM),
    "function-identity": few(FunctionTransformer(), integers=True, **FORM),
    "power-yeo-johnson": few(PowerTransformer(), **FORM),
    "power-box-cox": few(make_pipeline(MinMaxScaler((1, 9), clip=True), PowerTransformer("box-cox")), **FORM),
    "power-unscaled": few(PowerTransformer(standardize=False), **FORM),
    "quantile-uniform": few(QuantileTransformer(n_quantiles=10, random_state=SEED), **FORM),
    "polynomial": few(PolynomialFeatures(2), **FORM),
    "polynomial-interactions": few(PolynomialFeatures(3, interaction_only=True), **FORM),
    "polynomial-no-bias": few(PolynomialFeatures(2, include_bias=False), **FORM),
    "polynomial-ridge": sk(make_pipeline(PolynomialFeatures(2), Ridge())),
    "bins-ridge": sk(make_pipeline(KBinsDiscretizer(4, encode="ordinal", **BINS), Ridge())),
    "bins-ordinal": few(KBinsDiscretizer(3, encode="ordinal", **BINS), **FORM),
    "bins-onehot": few(KBinsDiscretizer(3, encode="onehot-dense", **BINS), **FORM),
    "bins-uniform": few(KBinsDiscretizer(4, encode="onehot-dense", strategy="uniform"), dataset="iris", **FORM),
    "bins-kmeans": few(KBinsDiscretizer(4, encode="ordinal", strategy="kmeans", random_state=SEED), **FORM),
    "imputer-forest": sk(make_pipeline(SimpleImputer(), RandomForestRegressor(**FOREST))),
    "imputer-mean-missing": few(make_pipeline(SimpleImputer(), StandardScaler(), Ridge()), missing="nan"),
    "imputer-median": few(SimpleImputer(strategy="median"), missing="nan", **FORM),
    "imputer-most-frequent": few(SimpleImputer(strategy="most_frequent"), missing="nan", **FORM),
    "imputer-constant": few(SimpleImputer(strategy="constant", fill_value=-1), missing="nan", **FORM),
    "imputer-indicator": few(SimpleImputer(add_indicator=True), missing="nan", **FORM),
    "imputer-neighbours": few(KNNImputer(n_neighbors=2), dataset="linnerud", opset={"": 18, "ai.onnx.ml": 3}, **FORM),
    "pca": few(PCA(3), dataset="wine", **FORM),
    "pca-whiten": few(PCA(3, whiten=True), dataset="cancer", **FORM),
    "pca-double": few(PCA(3), double=True, **FORM),
    "pca-ridge": sk(make_pipeline(PCA(3), Ridge())),
    "pca-incremental": few(IncrementalPCA(2), **FORM),
    "pca-kernel-rbf": few(KernelPCA(2, kernel="rbf", gamma=0.01), dataset="linnerud", **FORM),
    "pca-kernel-poly": few(KernelPCA(2, kernel="poly", degree=2, gamma=0.01), dataset="linnerud", **FORM),
    "truncated-svd": few(TruncatedSVD(2, random_state=SEED), **FORM),
    "random-projection": few(GaussianRandomProjection(3, random_state=SEED), **FORM),
    "select-k-best": few(SelectKBest(f_classif, k=2), dataset="iris"),
    "select-percentile": few(SelectPercentile(f_classif, percentile=40), dataset="wine"),
    "select-fdr": few(SelectFdr(f_classif), dataset="wine"),
    "select-fpr": few(SelectFpr(f_classif), dataset="wine"),
    "select-fwe": few(SelectFwe(f_classif), dataset="wine"),
    "select-generic": few(GenericUnivariateSelect(f_classif, mode="k_best", param=3), dataset="wine"),
    "select-from-model": few(SelectFromModel(ExtraTreesClassifier(**FOREST)), dataset="wine"),
    "select-variance": few(VarianceThreshold(0.5), dataset="wine", **FORM),
    "select-recursive": few(RFE(LogisticRegression(max_iter=50), n_features_to_select=2), dataset="iris"),
    "select-recursive-cv": few(RFECV(LogisticRegression(max_iter=50), cv=3), dataset="iris"),
    "select-none-integers": few(VarianceThreshold(), integers=True, **FORM),
    "cast-tree": sk(make_pipeline(StandardScaler(), CastTransformer(np.float32), DecisionTreeRegressor(max_depth=3, random_state=SEED))),
    "cast-double": few(make_pipeline(CastTransformer(np.float64), StandardScaler(), CastTransformer(np.float32)), **FORM),
    "cast-regressor": sk(CastRegressor(DecisionTreeRegressor(max_depth=3, random_state=SEED), dtype=np.float32)),
    "replace": few(ReplaceTransformer(from_value=0, to_value=-1), integers=True, **FORM),
    "replace-missing": few(ReplaceTransformer(from_value=np.nan, to_value=0), missing="nan", **FORM),
    "kernel-centerer": centred_kernel,
    "label-binarizer": label_binarizer(),
    "label-binarizer-values": label_binarizer(neg_label=-1, pos_label=2),
    "union-ridge": few(make_pipeline(FeatureUnion([("pca", PCA(2)), ("scaled", StandardScaler())]), Ridge())),
    "union-weights": few(FeatureUnion([("a", StandardScaler()), ("b", MinMaxScaler())], transformer_weights={"a": 2.0, "b": 0.5}), **FORM),
}
