"""scikit-learn's naive Bayes, Gaussian processes, mixtures and isotonic calibration."""

from sklearn.calibration import CalibratedClassifierCV
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import (
    RBF, ConstantKernel, DotProduct, ExpSineSquared, Matern, RationalQuadratic, WhiteKernel,
)
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from data import COLOURS, SEED
from export import few, sk

TREE = DecisionTreeClassifier(max_depth=3, random_state=SEED)


def process(kernel, **options):
    """On the twenty rows of a dataset: the model holds all that it learned from."""
    return few(GaussianProcessRegressor(kernel, alpha=1e-2, optimizer=None), dataset="linnerud", double=True, **options)


CASES = {
    "gaussian-naive-bayes": sk(GaussianNB(), classes=3),
    "gaussian-naive-bayes-binary": few(GaussianNB(), classes=2),
    "gaussian-naive-bayes-strings": few(GaussianNB(), classes=3, labels=COLOURS),
    "gaussian-naive-bayes-double": few(GaussianNB(), classes=3, double=True),
    "multinomial-naive-bayes": sk(MultinomialNB(), classes=2, integers=True),
    "multinomial-naive-bayes-digits": few(MultinomialNB(), dataset="digits"),
    "bernoulli-naive-bayes": few(BernoulliNB(), classes=2),
    "bernoulli-naive-bayes-multiclass": few(BernoulliNB(binarize=0.3), classes=3),
    "bernoulli-naive-bayes-unbinarized": few(BernoulliNB(binarize=None), classes=2),
    "complement-naive-bayes": few(ComplementNB(), classes=3, integers=True),
    "complement-naive-bayes-norm": few(ComplementNB(norm=True), classes=3, integers=True),
    "categorical-naive-bayes": few(CategoricalNB(min_categories=40), classes=3, integers=True),
    "gaussian-process-rbf": process(ConstantKernel(2.0) * RBF(10.0)),
    "gaussian-process-matern": process(Matern(10.0, nu=1.5)),
    "gaussian-process-matern-half": process(Matern(10.0, nu=0.5)),
    "gaussian-process-rational": process(RationalQuadratic(10.0, 0.5)),
    "gaussian-process-periodic": process(ExpSineSquared(1.0, 300.0)),
    "gaussian-process-dot-product": process(DotProduct(1.0) + WhiteKernel(0.1)),
    "gaussian-process-normalized": few(GaussianProcessRegressor(RBF(10.0), alpha=1e-2, optimizer=None, normalize_y=True), dataset="linnerud", double=True),
    "gaussian-process-single": few(GaussianProcessRegressor(RBF(10.0), alpha=1.0, optimizer=None), dataset="linnerud"),
    "gaussian-mixture": few(GaussianMixture(3, random_state=SEED), unsupervised=True),
    "gaussian-mixture-tied": few(GaussianMixture(2, covariance_type="tied", random_state=SEED), unsupervised=True),
    "gaussian-mixture-diagonal": few(GaussianMixture(2, covariance_type="diag", random_state=SEED), unsupervised=True),
    "gaussian-mixture-spherical": few(GaussianMixture(2, covariance_type="spherical", random_state=SEED), unsupervised=True),
    "bayesian-gaussian-mixture": few(BayesianGaussianMixture(n_components=2, random_state=SEED), unsupervised=True),
    "calibrated": sk(CalibratedClassifierCV(LogisticRegression(), cv=2), classes=2),
    "calibrated-multiclass": few(CalibratedClassifierCV(LogisticRegression(), cv=2), classes=3),
    "calibrated-isotonic": few(CalibratedClassifierCV(LogisticRegression(), cv=2, method="isotonic"), classes=2),
    "calibrated-isotonic-multiclass": few(CalibratedClassifierCV(TREE, cv=2, method="isotonic"), classes=3),
    "calibrated-tree": sk(CalibratedClassifierCV(TREE, cv=2), classes=2),
    "calibrated-linear-svc": few(CalibratedClassifierCV(LinearSVC(random_state=SEED), cv=2), classes=2),
    "calibrated-svc": few(CalibratedClassifierCV(SVC(random_state=SEED), cv=2), dataset="iris"),
    "calibrated-strings": few(CalibratedClassifierCV(LogisticRegression(), cv=2), classes=3, labels=COLOURS),
    "calibrated-double": few(CalibratedClassifierCV(LogisticRegression(), cv=2), classes=2, double=True),
}
