"""scikit-learn's support vector machines."""

from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR, NuSVC, NuSVR, OneClassSVM

from data import COLOURS, SEED
from export import few, sk

# Few support vectors, so that the files stay small.
SMALL = {"C": 0.5, "random_state": SEED}


CASES = {
    "linear-svc": sk(LinearSVC(random_state=SEED), classes=2),
    "linear-svc-multiclass": sk(LinearSVC(random_state=SEED), classes=3),
    "linear-svc-strings": few(LinearSVC(random_state=SEED), classes=3, labels=COLOURS),
    "linear-svc-strings-binary": few(LinearSVC(random_state=SEED), classes=2, labels=["no", "yes"]),
    "linear-svc-iris": few(LinearSVC(random_state=SEED), dataset="iris"),
    "linear-svr": few(LinearSVR(random_state=SEED)),
    "svc": sk(SVC(random_state=SEED), classes=2),
    "svc-multiclass": few(SVC(**SMALL), dataset="iris"),
    "svc-linear": few(SVC(kernel="linear", **SMALL), dataset="iris"),
    "svc-poly": few(SVC(kernel="poly", degree=2, coef0=1.0, **SMALL), dataset="iris"),
    "svc-sigmoid": few(SVC(kernel="sigmoid", **SMALL), classes=2, features=3),
    "svc-one-vs-one": few(SVC(decision_function_shape="ovo", **SMALL), dataset="iris"),
    "svc-probability": few(SVC(probability=True, **SMALL), classes=2),
    "svc-probability-multiclass": few(SVC(probability=True, **SMALL), dataset="iris"),
    "svc-probability-zipmap": few(SVC(probability=True, **SMALL), dataset="iris", zipmap=True),
    "svc-probability-strings": few(SVC(probability=True, **SMALL), dataset="iris", labels=COLOURS),
    "svc-strings": few(SVC(**SMALL), dataset="iris", labels=COLOURS),
    "svc-strings-binary": few(SVC(**SMALL), classes=2, labels=["no", "yes"]),
    "svc-double": few(SVC(**SMALL), dataset="iris", double=True),
    "svc-raw": few(SVC(probability=True, **SMALL), dataset="iris", raw_scores=True),
    "svc-integers": few(SVC(**SMALL), classes=2, integers=True),
    "nu-svc": few(NuSVC(nu=0.3, random_state=SEED), dataset="iris"),
    "nu-svc-probability": few(NuSVC(nu=0.3, probability=True, random_state=SEED), dataset="iris"),
    "svr": few(SVR(), dataset="diabetes"),
    "svr-linear": few(SVR(kernel="linear", epsilon=0.5)),
    "svr-poly": few(SVR(kernel="poly", degree=3, coef0=0.5, epsilon=0.5)),
    "svr-sigmoid": few(SVR(kernel="sigmoid", epsilon=0.5)),
    "nu-svr": few(NuSVR(nu=0.2)),
    "one-class-svm": few(OneClassSVM(nu=0.1), unsupervised=True),
    "one-class-svm-linear": few(OneClassSVM(kernel="linear", nu=0.1), unsupervised=True),
    "one-class-svm-poly": few(OneClassSVM(kernel="poly", degree=2, nu=0.1), unsupervised=True),
}
