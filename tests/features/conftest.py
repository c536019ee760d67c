"""NLTK's own lemmatiser on its own global corpus, to compare with."""

import shutil

import pytest

from sluice.features.wordnet import FILES, wordnet_folder

UNUSED = ("verb.exc", "adj.exc", "adv.exc", "index.verb", "index.adj", "index.adv", "index.sense", "lexnames")


@pytest.fixture(scope="session")
def nltk_lemmatizer(tmp_path_factory):
    """WordNetLemmatizer as NLTK's documentation has it: the corpus is found on NLTK's path."""
    import nltk
    from nltk.stem import WordNetLemmatizer

    root = tmp_path_factory.mktemp("nltk_data")
    corpus = root / "corpora" / "wordnet"
    corpus.mkdir(parents=True)
    for name in FILES:
        shutil.copy(wordnet_folder() / name, corpus / name)
    for name in UNUSED:
        (corpus / name).touch()
    (corpus / "data.adj").write_text("  WordNet 3.0 Copyright\n")
    nltk.data.path.insert(0, str(root))
    yield WordNetLemmatizer()
    nltk.data.path.remove(str(root))
