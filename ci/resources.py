"""Put the WordNet files that lemmatising reads into .resources/wordnet, and check them: `make resources`.

They come from Debian's `wordnet-base` (installed, or downloaded as a package without installing it), elsewhere
from NLTK's own download. Components never fetch anything: this is the only place that does.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

WORDNET = Path(__file__).resolve().parent.parent / ".resources" / "wordnet"
INSTALLED = Path("/usr/share/wordnet")
PACKAGE = "wordnet-base"

INDEXES = ("index.noun", "index.verb", "index.adj", "index.adv")
FILES = (*INDEXES, "noun.exc", "verb.exc", "adj.exc", "adv.exc")
ORIGIN = "origin.json"

# How many lemmas WordNet 3.0 has, as its authors publish it; true of either origin.
LEMMAS = {"index.noun": 117798, "index.verb": 11529, "index.adj": 21479, "index.adv": 4481}

# Debian's package, by what decides a lemma: the words of index.noun (a rebuild moves the offsets beside them)
# and all of noun.exc.
DEBIAN = {
    "index.noun": "ebf14b793739b01333feddd2e298ff4ab23552f4af383fc7d1fbe420188d53d4",
    "noun.exc": "2b5d675c380b39ecf595af9fa9d4e7feb1d58c643b0bff08c40ed5bfe41fab7a",
}


class ResourceError(Exception):
    """A resource cannot be had, or is not what it should be."""


class Unavailable(Exception):
    """This origin has no WordNet to give; the next one is asked."""


def main() -> None:
    try:
        if not WORDNET.exists():
            print(f"resources: WordNet from {fetch(WORDNET)} is in {WORDNET}", flush=True)
        verify(WORDNET)
    except ResourceError as error:
        sys.exit(f"resources: {error}")


def fetch(folder: Path) -> str:
    """Fill `folder` from the first origin that has WordNet, and say which. All files appear at once, or none."""
    reasons = []
    for origin, files_of in ORIGINS.items():
        with tempfile.TemporaryDirectory() as scratch:
            try:
                source = files_of(Path(scratch))
            except Unavailable as reason:
                reasons.append(f"\n  {origin}: {reason}")
                continue
            check_wordnet(source, debian=origin != NLTK)
            install(source, folder, origin)
            return origin
    raise ResourceError(
        f"WordNet was not found anywhere; tried{''.join(reasons)}\n"
        f"  Install {PACKAGE} (apt-get install {PACKAGE}), or connect this machine once, then: make resources"
    )


def verify(folder: Path) -> None:
    """Refuse a folder whose files are missing or are not those that were put there."""
    missing = [name for name in (*FILES, ORIGIN) if not (folder / name).is_file()]
    if missing:
        raise ResourceError(f"{folder} lacks {', '.join(missing)}. {again(folder)}")
    try:
        recorded = json.loads((folder / ORIGIN).read_text())["sha256"]
    except (ValueError, KeyError, TypeError):
        raise ResourceError(f"{folder / ORIGIN} cannot be read. {again(folder)}") from None
    changed = [name for name in FILES if recorded.get(name) != sha256((folder / name).read_bytes())]
    if changed:
        raise ResourceError(f"{', '.join(changed)} in {folder} changed since set-up. {again(folder)}")


def again(folder: Path) -> str:
    return f"Fetch WordNet again: rm -r '{folder}' && make resources"


# origins: each returns a folder that holds FILES, or raises Unavailable


def installed(_scratch: Path) -> Path:
    if not (INSTALLED / "index.noun").is_file():
        raise Unavailable(f"{INSTALLED} is not there")
    return INSTALLED


def debian_package(scratch: Path) -> Path:
    """Unpack the package without installing it; needs no rights but, for a machine without package lists, root's."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise Unavailable("this system has no apt-get")
    try:
        download(scratch)
    except Unavailable:
        if os.geteuid() != 0:
            raise
        command("apt-get", "-qq", "update")
        download(scratch)
    (package,) = scratch.glob(f"{PACKAGE}_*.deb")
    command("dpkg-deb", "--extract", str(package), str(scratch))
    return scratch / INSTALLED.relative_to("/")


def download(scratch: Path) -> None:
    command("apt-get", "-qq", "download", PACKAGE, cwd=scratch)


def nltk_download(scratch: Path) -> Path:
    import nltk

    nltk.data.path.insert(0, str(scratch))
    if not nltk.download("wordnet", download_dir=str(scratch), quiet=True):
        raise Unavailable("the download failed")
    archive = scratch / "corpora" / "wordnet.zip"
    if archive.is_file():
        shutil.unpack_archive(archive, archive.parent)
    return archive.with_suffix("")


NLTK = "nltk.download"
ORIGINS: dict[str, Callable[[Path], Path]] = {
    f"{PACKAGE} as installed": installed,
    f"the Debian package {PACKAGE}": debian_package,
    NLTK: nltk_download,
}


def command(*words: str, cwd: Path | None = None) -> None:
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Unavailable(f"`{' '.join(words)}` failed: {last}")


# what WordNet is


def check_wordnet(source: Path, *, debian: bool) -> None:
    """Refuse anything that would lemmatise otherwise than WordNet 3.0."""
    missing = [name for name in FILES if not (source / name).is_file()]
    if missing:
        raise ResourceError(f"WordNet in {source} lacks {', '.join(missing)}")
    for name, allowed in LEMMAS.items():
        got = sum(1 for _ in words(source / name))
        if got != allowed:
            raise ResourceError(f"{source / name} has {got} lemmas; WordNet 3.0 has {allowed}")
    if debian:
        for name, allowed_digest in DEBIAN.items():
            if digest(source / name) != allowed_digest:
                raise ResourceError(f"{source / name} is not the one of Debian's {PACKAGE} 3.0")


def words(index: Path) -> Iterator[bytes]:
    """The lemmas of an index file; the licence stands above them, on lines that begin with a space."""
    with index.open("rb") as lines:
        yield from (line.split(b" ", 1)[0] for line in lines if not line.startswith(b" "))


def digest(path: Path) -> str:
    return sha256(
        b"".join(word + b"\n" for word in words(path)) if path.name in INDEXES else path.read_bytes()
    )


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def install(source: Path, folder: Path, origin: str) -> None:
    """Copy and rename into place. The modes matter: NLTK refuses data that another account could write."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".wordnet-") as scratch:
        made = Path(scratch) / folder.name
        made.mkdir()
        contents = {name: (source / name).read_bytes() for name in FILES}
        record = {"origin": origin, "sha256": {name: sha256(content) for name, content in contents.items()}}
        contents["LICENSE"] = licence(contents["index.noun"])
        contents[ORIGIN] = json.dumps(record, indent=2).encode() + b"\n"
        for name, content in contents.items():
            (made / name).write_bytes(content)
            (made / name).chmod(0o644)
        made.chmod(0o755)
        try:
            made.rename(folder)
        except OSError:  # another set-up was faster; main() verifies what it put there
            if not folder.exists():
                raise


def licence(index: bytes) -> bytes:
    """WordNet's licence, which must go where its files go, from the head of an index file ("  1 This software…")."""
    head = [line[4:].strip() for line in index.splitlines() if line.startswith(b" ")]
    return b"\n".join(head) + b"\n"


if __name__ == "__main__":
    main()
