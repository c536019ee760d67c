"""Noun lemmas from WordNet's two noun files, the same that NLTK's WordNetLemmatizer finds, without NLTK."""

from __future__ import annotations

from pathlib import Path

ENDINGS = {
    "s": "",
    "ses": "s",
    "ves": "f",
    "xes": "x",
    "zes": "z",
    "ches": "ch",
    "shes": "sh",
    "men": "man",
    "ies": "y",
}
"""WordNet's rules for nouns that aren't in its list of exceptions: a plural's ending and the singular's."""
LENGTHS = sorted({len(ending) for ending in ENDINGS})
LAST_LETTERS = {ending[-1] for ending in ENDINGS}


class NounLemmatiser:
    """Finds the noun lemma of one word; a word without one stays as it is.

    The candidates are the word itself and its singulars. Of those that WordNet knows, the shortest is the lemma, as
    in NLTK's `lemmatize`: "us" becomes "u".
    """

    def __init__(self, folder: Path) -> None:
        with (folder / "index.noun").open(encoding="utf-8") as lines:
            # Lines that begin with a blank hold the licence.
            self._nouns = {line[: line.index(" ")] for line in lines if not line.startswith(" ")}
        with (folder / "noun.exc").open(encoding="utf-8") as lines:
            self._singulars = {plural: singulars for plural, *singulars in map(str.split, lines)}

    def __call__(self, word: str) -> str:
        """The lemma; WordNet knows words in lower case only."""
        forms = self._singulars.get(word)
        if forms is None:
            if word[-1:] not in LAST_LETTERS:
                return word
            forms = []
            for length in LENGTHS:
                ending = word[-length:]
                if ending in ENDINGS:
                    forms.append(word[:-length] + ENDINGS[ending])
        lemma = ""
        for form in forms:
            if form in self._nouns and (not lemma or len(form) < len(lemma)):
                lemma = form
        if lemma and (len(lemma) < len(word) or word not in self._nouns):
            return lemma
        return word
