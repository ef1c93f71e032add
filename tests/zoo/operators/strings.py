"""The operators for text: StringNormalizer, TfIdfVectorizer, Tokenizer and those of newer operator sets."""

import itertools

import numpy as np

from graph import single

WORDS = np.array(["Monday", "monday", "", "tuesday", "ÄRGER", "wednesday", "Tuesday"], dtype=object)
CONTRIB = "com.microsoft"


def normalizers():
    found = {}
    for action, sensitive, stops in itertools.product(["NONE", "LOWER", "UPPER"], [0, 1], [[], ["monday", "Tuesday"]]):
        given = {"case_change_action": action, "is_case_sensitive": sensitive}
        if stops:
            given["stopwords"] = stops
        name = f"string-normalizer-{action.lower()}-{'exact' if sensitive else 'any-case'}{'-stops' if stops else ''}"
        found[name] = single("StringNormalizer", {"X": WORDS}, ["Y"], domain="", fixed=True, **given)
        found[f"{name}-row"] = single("StringNormalizer", {"X": WORDS.reshape(1, -1)}, ["Y"], domain="", fixed=True, **given)
    everything = {"case_change_action": "LOWER", "is_case_sensitive": 0, "stopwords": ["monday"]}
    found["string-normalizer-locale"] = single("StringNormalizer", {"X": WORDS}, ["Y"], domain="", fixed=True, case_change_action="UPPER", locale="de_DE")
    found["string-normalizer-nothing-left"] = single("StringNormalizer", {"X": WORDS[:2]}, ["Y"], domain="", fixed=True, **everything)
    return found


def vectorizers():
    found = {}
    words = np.array([["a", "b", "a", "c"], ["c", "d", "x", "d"], ["", "a", "b", "b"]], dtype=object)
    numbers = np.array([[1, 2, 1, 3], [3, 4, 9, 4], [0, 1, 2, 2]])
    # Four single items and two pairs.
    pool = {"strings": ["a", "b", "c", "d", "a", "b", "b", "b"], "int64s": [1, 2, 3, 4, 1, 2, 2, 2]}
    for kind, mode, weighted in itertools.product(["string", "int64", "int32"], ["TF", "IDF", "TFIDF"], [False, True]):
        text = "strings" if kind == "string" else "int64s"
        asked = words if kind == "string" else numbers.astype(kind)
        for form, lengths in {"both": (1, 2, 0), "pairs": (2, 2, 0), "skips": (1, 2, 2), "single": (1, 1, 0)}.items():
            if form != "both" and (kind == "int32" or mode == "IDF"):
                continue
            shortest, longest, skips = lengths
            given = {
                "mode": mode, "min_gram_length": shortest, "max_gram_length": longest, "max_skip_count": skips,
                "ngram_counts": [0, 4], f"pool_{text}": pool[text],
                # A column without an n-gram has no weight.
                "ngram_indexes": [5, 0, 1, 2, 3, 4 if weighted else 6],
            }
            if weighted:
                given["weights"] = [0.5, 2.0, 1.5, 0.25, 3.0, 1.25]
            name = f"tfidf-{kind}-{mode.lower()}-{form}{'-weights' if weighted else ''}"
            found[name] = single("TfIdfVectorizer", {"X": asked}, ["Y"], domain="", **given)
            if form == "both":
                found[f"{name}-vector"] = single("TfIdfVectorizer", {"X": asked[0]}, ["Y"], domain="", fixed=True, **given)
    return found


def tokenizers():
    texts = np.array(["a b,c", "", "one  two", "ä,ö ü"], dtype=object)
    marks = {"mark": 1, "pad_value": "#", "mincharnum": 1}
    plain = {"mark": 0, "pad_value": "#", "mincharnum": 1}
    forms = {
        "separators": {**plain, "separators": [" ", ","]}, "separators-marked": {**marks, "separators": [" "]},
        "long-only": {**plain, "separators": [" ", ","], "mincharnum": 2}, "pattern": {**plain, "tokenexp": "[a-z]+"},
        "pattern-marked": {**marks, "tokenexp": "[a-zäöü]+"}, "characters": {**plain, "separators": [""]},
        "characters-marked": {**marks, "separators": [""]}, "word-pattern": {**plain, "tokenexp": "\\b\\w\\w+\\b"},
        "multi-separator": {**plain, "separators": [", ", "  "]}, "pattern-separator": {**plain, "separators": ["[ ,]"]},
    }
    found = {}
    for form, given in forms.items():
        found[f"tokenizer-{form}"] = single("Tokenizer", {"X": texts}, ["Y"], domain=CONTRIB, fixed=True, **given)
        found[f"tokenizer-{form}-column"] = single("Tokenizer", {"X": texts.reshape(-1, 1)}, ["Y"], domain=CONTRIB, fixed=True, **given)
    return found


def newer():
    texts = np.array(["a@b.cd", "nothing", "", "x@y.zz"], dtype=object)
    return {
        "regex-full-match": single("RegexFullMatch", {"X": texts}, ["Y"], domain="", opset=20, pattern=r"\w+@\w+\.\w+"),
        "string-concat": single("StringConcat", {"A": texts, "B": texts[::-1].copy()}, ["Y"], domain="", opset=20),
        "string-split": single("StringSplit", {"X": np.array(["a b", " c", "d  e f"], dtype=object)}, ["Y", "Z"], domain="", opset=20, fixed=True),
        "string-split-delimiter": single("StringSplit", {"X": np.array(["a,b", "c", ",d"], dtype=object)}, ["Y", "Z"], domain="", opset=20, delimiter=",", maxsplit=1, fixed=True),
    }


CASES = {**normalizers(), **vectorizers(), **tokenizers(), **newer()}
