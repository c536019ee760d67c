"""NLTK's own lemmatiser on its own global corpus, to compare with."""

import pytest


@pytest.fixture(scope="session")
def nltk_lemmatizer(tmp_path_factory):
    """WordNetLemmatizer as NLTK's documentation has it: the corpus is found on NLTK's path."""
    import nltk

    from benchmarks import preprocess

    folder = tmp_path_factory.mktemp("nltk_data")
    yield preprocess.nltk_lemmatizer(folder)
    nltk.data.path.remove(str(folder))
