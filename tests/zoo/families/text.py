"""Text pipelines: documents in, scores out."""

import numpy as np
from sklearn.feature_extraction import DictVectorizer, FeatureHasher
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder

from data import COLOURS, SEED
from export import OPSET, says, to_onnx
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DictionaryType, FloatTensorType, StringTensorType

DOCUMENTS = [
    "The order arrived late and the box was damaged", "Great quality, will buy again", "late late late delivery",
    "Refund please: the colour is wrong", "Fast delivery and great service", "the service was slow, the box was wet",
    "I love the colour and the quality", "Would not buy again", "Excellent! Fast, cheap and good",
    "Damaged on arrival, refund refused", "good value for money", "wrong size, wrong colour, wrong order",
]
HAPPY = np.array([0, 1, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0])
ASKED = ["great colour, fast delivery", "the box was damaged", "", "nothing known here", "Wrong wrong WRONG order", "good", "a b c d"]


def text(estimator, y=HAPPY, zipmap=False):
    """One column of documents."""

    def make():
        fitted = estimator.fit(DOCUMENTS, y)
        options = {id(fitted): {"zipmap": zipmap}} if hasattr(fitted, "predict_proba") else None
        proto = convert_sklearn(fitted, initial_types=[("X", StringTensorType([None, 1]))], target_opset=OPSET, name="model", options=options)
        names = [output.name for output in proto.graph.output]
        return proto.SerializeToString(), {"X": np.array(ASKED, dtype=object).reshape(-1, 1)}, says(fitted, names, ASKED)

    return make


def labels(estimator):
    """What is meant for targets takes a column without a second dimension."""

    def make():
        fitted = estimator.fit(COLOURS)
        asked = np.array(["red", "blue", "green", "red"], dtype=object)
        proto = to_onnx(fitted, {"X": asked})
        return proto.SerializeToString(), {"X": asked}, says(fitted, [proto.graph.output[0].name], asked)

    return make


def dictionaries():
    """The input is a map, which no tensor can express."""
    rows = [{"city": 1.0, "age": 31.0}, {"age": 5.0}, {"city": 2.0}]
    fitted = DictVectorizer(sparse=False).fit(rows)
    kind = DictionaryType(StringTensorType([1]), FloatTensorType([1]))
    proto = convert_sklearn(fitted, initial_types=[("X", kind)], target_opset=OPSET, name="model")
    return proto.SerializeToString(), {"X": rows[0]}, {proto.graph.output[0].name: fitted.transform(rows[:1])}


def hashed():
    """Words by their hash: ONNX Runtime's own MurmurHash3."""
    words = np.array(ASKED[:2] + ASKED[3:], dtype=object).reshape(-1, 1)
    fitted = FeatureHasher(n_features=16, input_type="string").fit(words)
    proto = to_onnx(fitted, {"X": words})
    return proto.SerializeToString(), {"X": words}, says(fitted, [proto.graph.output[0].name], words)


CASES = {
    "text-counts": text(CountVectorizer()),
    "text-counts-binary": text(CountVectorizer(binary=True)),
    "text-counts-cased": text(CountVectorizer(lowercase=False)),
    "text-counts-bigrams": text(CountVectorizer(ngram_range=(1, 2))),
    "text-counts-bigrams-only": text(CountVectorizer(ngram_range=(2, 2))),
    "text-counts-stop-words": text(CountVectorizer(stop_words=["the", "was", "and"])),
    "text-counts-characters": text(CountVectorizer(analyzer="char")),
    "text-counts-pattern": text(CountVectorizer(token_pattern="[a-zA-Z]+")),
    "text-counts-few": text(CountVectorizer(max_features=5)),
    "text-tfidf": text(TfidfVectorizer()),
    "text-tfidf-l1": text(TfidfVectorizer(norm="l1")),
    "text-tfidf-no-norm": text(TfidfVectorizer(norm=None)),
    "text-tfidf-sublinear": text(TfidfVectorizer(sublinear_tf=True)),
    "text-tfidf-no-idf": text(TfidfVectorizer(use_idf=False)),
    "text-tfidf-bigrams": text(TfidfVectorizer(ngram_range=(1, 2))),
    "text-tfidf-trigrams": text(TfidfVectorizer(ngram_range=(1, 3))),
    "text-tfidf-transformer": text(make_pipeline(CountVectorizer(), TfidfTransformer())),
    "text-logistic": text(make_pipeline(TfidfVectorizer(), LogisticRegression())),
    "text-logistic-strings": text(make_pipeline(TfidfVectorizer(), LogisticRegression()), np.array(["sad", "happy"])[HAPPY], zipmap=True),
    "text-sgd": text(make_pipeline(CountVectorizer(), SGDClassifier(random_state=SEED))),
    "text-naive-bayes": text(make_pipeline(CountVectorizer(), MultinomialNB())),
    "label-encoder": labels(LabelEncoder()),
    "dictionary-vectorizer": dictionaries,
    "feature-hasher": hashed,
}
