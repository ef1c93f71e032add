"""scikit-learn's neighbours and clusters."""

from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.neighbors import (
    KNeighborsClassifier, KNeighborsRegressor, KNeighborsTransformer, LocalOutlierFactor, NearestNeighbors,
    NeighborhoodComponentsAnalysis, RadiusNeighborsClassifier, RadiusNeighborsRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from data import COLOURS, SEED
from export import few, sk

# All that was learnt is within it: ONNX Runtime refuses the exported graph for a row that is too far from any of them.
RADIUS = 100.0

CASES = {
    "nearest-neighbours": sk(KNeighborsClassifier(3), classes=2),
    "nearest-neighbours-iris": few(KNeighborsClassifier(5), dataset="iris"),
    "nearest-neighbours-strings": few(KNeighborsClassifier(3), dataset="iris", labels=COLOURS),
    "nearest-neighbours-distance": few(KNeighborsClassifier(3, weights="distance"), dataset="iris"),
    "nearest-neighbours-manhattan": few(KNeighborsClassifier(3, metric="manhattan"), dataset="iris"),
    "nearest-neighbours-minkowski": few(KNeighborsClassifier(3, p=3), dataset="iris"),
    "nearest-neighbours-cosine": few(KNeighborsClassifier(3, metric="cosine"), dataset="iris"),
    "nearest-neighbours-cdist": few(KNeighborsClassifier(3), dataset="iris", optim="cdist"),
    "nearest-neighbours-double": few(KNeighborsClassifier(3), dataset="iris", double=True),
    "nearest-neighbours-regressor": few(KNeighborsRegressor(3), dataset="linnerud"),
    "nearest-neighbours-regressor-distance": few(KNeighborsRegressor(3, weights="distance")),
    "nearest-neighbours-search": few(NearestNeighbors(n_neighbors=3, radius=None), dataset="linnerud", unsupervised=True),
    "nearest-neighbours-graph": few(KNeighborsTransformer(n_neighbors=3, mode="connectivity"), dataset="linnerud", unsupervised=True),
    "nearest-neighbours-distances": few(KNeighborsTransformer(n_neighbors=3), dataset="linnerud", unsupervised=True),
    "radius-neighbours": few(RadiusNeighborsClassifier(RADIUS), dataset="iris"),
    "radius-neighbours-regressor": few(RadiusNeighborsRegressor(RADIUS), dataset="iris"),
    "neighbourhood-components": few(NeighborhoodComponentsAnalysis(2, random_state=SEED, max_iter=10), dataset="iris"),
    "local-outlier-factor": few(LocalOutlierFactor(5, novelty=True), dataset="iris", unsupervised=True),
    "k-means": few(KMeans(3, random_state=SEED, n_init=2), dataset="iris", unsupervised=True),
    "k-means-double": few(KMeans(3, random_state=SEED, n_init=2), dataset="iris", unsupervised=True, double=True),
    "k-means-mini-batch": few(MiniBatchKMeans(4, random_state=SEED, n_init=2), unsupervised=True),
    "k-means-scaled": few(make_pipeline(StandardScaler(), KMeans(3, random_state=SEED, n_init=2)), dataset="wine", unsupervised=True),
}
