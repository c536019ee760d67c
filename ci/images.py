"""Builds, pushes and lists the components' images: `make build`, `make push`, `make images`.

An image's tag is the digest of all that goes into it, so one that has its tag already is neither built nor pushed again.
Both verbs write what there is into the record (`orchestration.environment`), which everything after reads.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ci import sbom
from orchestration.environment import IMAGES, Image, image_of, read_images
from orchestration.runners.engine import connect, reason
from sluice.contract import CONTRACT_VERSION, Component, ImageError, SluiceError, digest_of
from sluice.contract.artifacts import file_sha256
from sluice.contract.execution import revision
from sluice.contract.fingerprint import code_of
from sluice.recipe.mistakes import closest, listed

if TYPE_CHECKING:
    from docker import DockerClient

ROOT = Path(__file__).resolve().parent.parent
DOCKERFILE = ROOT / "components/Dockerfile"
LOGS = ROOT / "build/images"
INGREDIENTS = (DOCKERFILE, ROOT / "components/sitecustomize.py", ROOT / "components/trim.py")

BUDGETS = {"preprocess": 1000, "train": 2000, "evaluate": 900, "register": 450}
"""The components that have an image, and how large it may be: megabytes as `docker images` counts them."""

RESOURCES = {"preprocess": ("wordnet",)}
"""What of `.resources/` goes into an image."""

LOCKS = {"cpu": "components/{}/requirements.lock", "cuda": "requirements/{}-cuda.lock"}
"""The lock of a component by the build of torch that TORCH asks for; one without torch has only the first."""

SYMPTOMS = (
    (
        r"sluice: (?P<got>the base image has Python (?:\d\S*|\(none\)), not \d\S*)",
        "the base image does not fit",
        "Set BASE_IMAGE to one that does",
    ),
    (
        r"(?P<got>\S+) from [^\n]*\n[^\n]*Expected sha256",
        "a package is not the one that the lock names: its sha256 is another",
        "Do not use it. Ask who changed it on its way, or lock anew what is meant: make lock",
    ),
    (
        r"No matching distribution found for (?P<got>\S+)",
        "a package of the lock was not found",
        "Put its wheel into wheelhouse/<component>/, or name an index that has it: TORCH_INDEX for torch, PIP_CONFIG_FILE for the rest",
    ),
    (
        r"(?P<got>[^\n]*CERTIFICATE_VERIFY_FAILED[^\n]*)",
        "the package index's certificate is not trusted",
        "Name the file that holds your certificates: PIP_CERT=… make build",
    ),
    (r"(?P<got>no space left on device)", "the engine's disk is full", "Free some: docker system prune"),
    (
        r"failed to (?:create LLB definition:|resolve source metadata for) (?P<got>[^\n]*)",
        "the base image was not found",
        "Check BASE_IMAGE and that the engine reaches its registry",
    ),
)
"""What a failed build's log says, what that means, and what to do: the first that is found is told."""


@dataclass(frozen=True)
class Plan:
    """One image that is wanted, and everything that decides what will be in it."""

    component: str
    base: str
    torch: str
    registry: str

    @property
    def lock(self) -> str:
        """The lock, relative to the checkout."""
        special = LOCKS[self.torch].format(self.component)
        return special if (ROOT / special).is_file() else LOCKS["cpu"].format(self.component)

    @property
    def wheelhouse(self) -> Path:
        """The folder of packages that are brought along."""
        return ROOT / "wheelhouse" / self.component

    @property
    def resources(self) -> tuple[str, ...]:
        """The names below `.resources/`."""
        return RESOURCES.get(self.component, ())

    @cached_property
    def tag(self) -> str:
        """The digest of all that goes in."""
        folders = [ROOT / ".resources" / name for name in self.resources]
        files = [*INGREDIENTS, ROOT / self.lock]
        files += [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
        content = {path.relative_to(ROOT).as_posix(): file_sha256(path) for path in files}
        return digest_of({"base": self.base, "python": python(), "code": self.code, "files": content})[:16]

    @cached_property
    def code(self) -> dict[str, str]:
        """The sha256 of each file of code."""
        return code_of(Component.load(self.component))

    @property
    def repository(self) -> str:
        """The name without its tag."""
        return f"{self.registry}/sluice-{self.component}" if self.registry else f"sluice-{self.component}"

    @property
    def reference(self) -> str:
        """The name with its tag."""
        return f"{self.repository}:{self.tag}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; 1 after printing an error of the family."""
    parser = argparse.ArgumentParser(prog="python -m ci.images", description=__doc__)
    parser.add_argument("verb", choices=VERBS)
    parser.add_argument("components", nargs="*", help="all of them if none is named")
    options = parser.parse_args(argv)
    try:
        VERBS[options.verb]([plan_of(name) for name in options.components or BUDGETS])
    except SluiceError as error:
        print(f"{options.verb}: {error}", file=sys.stderr)
        return 1
    return 0


def plan_of(component: str) -> Plan:
    """The image as the environment variables want it: BASE_IMAGE, REGISTRY, TORCH.

    Raises:
        ImageError: no component of this name has an image, or TORCH is no build of torch.
    """
    if component not in BUDGETS:
        meant = closest(component, BUDGETS)
        hint = (
            f"Did you mean {meant}" if meant else "A component inside another one's folder lives in its image"
        )
        raise ImageError(
            "there is no such image", where="C", got=component, allowed=", ".join(BUDGETS), next_step=hint
        )
    torch = os.environ.get("TORCH") or "cpu"
    if torch not in LOCKS:
        raise ImageError(
            "there is no such build of torch", where="TORCH", got=torch, allowed=", ".join(LOCKS)
        )
    base = os.environ.get("BASE_IMAGE") or default_base()
    return Plan(component, base, torch, (os.environ.get("REGISTRY") or "").rstrip("/"))


def default_base() -> str:
    """The base image that the Dockerfile pins."""
    return re.findall(r"^ARG BASE_IMAGE=(\S+)", DOCKERFILE.read_text(), re.MULTILINE)[0]


def python() -> str:
    """The Python that every environment has."""
    return (ROOT / ".python-version").read_text().strip()


# --- the verbs


def build(plans: Sequence[Plan]) -> None:
    """Build what neither the engine nor the registry has, and write its bill of materials."""
    client = connect()
    for plan in plans:
        started = time.monotonic()
        if on_engine(client, plan):
            state = "unchanged, on the engine"
        elif pushed(client, plan, must_answer=False):
            state = "unchanged, in the registry"
        else:
            run_build(plan)
            require_same_code(client, plan)
            state = f"built in {time.monotonic() - started:.0f} s"
        if on_engine(client, plan):
            sbom.write(client, plan.reference, plan.component, plan.tag)
        record(plan, pushed(client, plan, must_answer=False))
        print(f"{plan.component}: {plan.reference} ({state})", flush=True)


def push(plans: Sequence[Plan]) -> None:
    """Push what the registry lacks, and record every digest."""
    if not all(plan.registry for plan in plans):
        raise ImageError(
            "no registry is named",
            where="REGISTRY",
            next_step="Name it: make push REGISTRY=<account>.dkr.ecr.<region>.amazonaws.com",
        )
    client = connect()
    for plan in plans:
        digest = pushed(client, plan)
        state = "unchanged, in the registry"
        if not digest:
            if not on_engine(client, plan):
                raise ImageError(
                    "the image is not built",
                    where=plan.reference,
                    next_step=f"Run make build C={plan.component}",
                )
            started = time.monotonic()
            digest = run_push(client, plan)
            state = f"pushed in {time.monotonic() - started:.0f} s"
        record(plan, digest)
        print(f"{plan.component}: {plan.repository}@{digest} ({state})", flush=True)


def show(plans: Sequence[Plan]) -> None:
    """Print the recorded images with their sizes beside their budgets.

    Raises:
        ImageError: one is too large, is not on the engine, or was never built.
    """
    client = connect()
    images = read_images(record_path())
    large = []
    print(f"{'image':12}{'size':>8}{'budget':>9}   of")
    for plan in plans:
        image = image_of(plan.component, images)
        size = inspected(client, image.uri)["Size"] / 1e6
        budget = BUDGETS[plan.component]
        state = "" if image.tag == plan.tag else " (the code changed since: make build)"
        print(f"{plan.component:12}{size:5.0f} MB{budget:6} MB   {image.uri}{state}")
        if size > budget and plan.torch == "cpu":
            large.append(f"{plan.component} by {size - budget:.0f} MB")
    if large:
        raise ImageError(
            f"above budget: {', '.join(large)}",
            next_step="Take more out in components/trim.py, or ask for less",
        )


def wheels(plans: Sequence[Plan]) -> None:
    """Download every package of the locks into wheelhouse/, for a build without an index."""
    for plan in plans:
        download(plan, locked(plan))
        # What packages that come as source are built with.
        pip("download", "--quiet", "--dest", str(plan.wheelhouse), "setuptools", "wheel")


VERBS = {"build": build, "push": push, "show": show, "wheels": wheels}


# --- the engine and the registry


def on_engine(client: DockerClient, plan: Plan) -> bool:
    """Whether the engine has the image."""
    return bool(client.images.list(name=plan.reference))


def inspected(client: DockerClient, reference: str) -> dict[str, Any]:
    """What the engine knows of an image.

    Raises:
        ImageError: the engine does not have it.
    """
    import docker

    try:
        return dict(client.images.get(reference).attrs)
    except docker.errors.ImageNotFound:
        raise ImageError(
            "the engine does not have this image",
            where=reference,
            next_step="Run make build, or docker pull it",
        ) from None


def pushed(client: DockerClient, plan: Plan, *, must_answer: bool = True) -> str | None:
    """The digest under which the registry has the image, if it does.

    Raises:
        ImageError: the registry does not answer, and must.
    """
    import docker

    if not plan.registry:
        return None
    try:
        return str(client.images.get_registry_data(plan.reference).id)
    except docker.errors.NotFound:
        return None
    except docker.errors.APIError as error:
        if not must_answer:
            return None
        raise registry_error(plan, reason(error)) from None


def run_push(client: DockerClient, plan: Plan) -> str:
    """Push the image; its digest in the registry.

    Raises:
        ImageError: the registry refused.
    """
    digest = ""
    for event in client.images.push(plan.repository, tag=plan.tag, stream=True, decode=True):
        if "error" in event:
            raise registry_error(plan, event["error"])
        digest = event.get("aux", {}).get("Digest", digest)
    return digest


def registry_error(plan: Plan, said: str) -> ImageError:
    """What a registry that does not do as it is asked means."""
    if re.search(r"denied|unauthorized|no basic auth|authorization", said, re.IGNORECASE):
        what, hint = (
            "the registry refuses",
            "Log in: docker login, with what `aws ecr get-login-password` prints",
        )
    elif re.search(r"name unknown|does not exist", said):
        what, hint = "the registry has no such repository", "Make it: make infra"
    else:
        what, hint = "the registry does not answer", "Check REGISTRY and that the engine reaches it"
    return ImageError(what, where=plan.reference, got=said, next_step=hint)


# --- one build


def run_build(plan: Plan) -> None:
    """Build one image with BuildKit, telling each step as it begins.

    Raises:
        ImageError: the build failed; the message says why.
    """
    fetch_local_builds(plan)
    plan.wheelhouse.mkdir(parents=True, exist_ok=True)  # the Dockerfile wants it, empty or not
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{plan.component}.log"
    # A modern client would push a list of manifests with attestations, which SageMaker does not read.
    variables = {**os.environ, "DOCKER_BUILDKIT": "1", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
    command = ["docker", "build", "--progress=plain", *arguments(plan), "--tag", plan.reference, "."]
    with (
        log.open("w", encoding="utf-8") as kept,
        subprocess.Popen(
            command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process,
    ):
        for line in process.stdout or ():
            kept.write(line)
            if step := re.match(r"#\d+ \[(\w+ +\d+/\d+)\] (.*)", line):
                print(f"  {plan.component}: {step[1]} {step[2][:80]}", flush=True)
    if process.returncode:
        raise build_error(plan, log)


def arguments(plan: Plan) -> Iterator[str]:
    """The options of `docker build`. Certificates and pip's settings are secrets, never arguments."""
    given = {
        "COMPONENT": plan.component,
        "BASE_IMAGE": plan.base,
        "LOCK": plan.lock,
        "PYTHON": python(),
        "RESOURCES": " ".join(plan.resources),
        "CONTRACT": CONTRACT_VERSION,
        "REVISION": revision(ROOT) or "",
        "CONTENT": plan.tag,
        "TORCH_INDEX": os.environ.get("TORCH_INDEX", ""),
    }
    yield from ("--file", str(DOCKERFILE))
    for name, value in given.items():
        yield from ("--build-arg", f"{name}={value}")
    certificates = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    for secret, file in (("ca", certificates), ("pip", os.environ.get("PIP_CONFIG_FILE"))):
        if file and Path(file).is_file():
            yield from ("--secret", f"id={secret},src={file}")


def require_same_code(client: DockerClient, plan: Plan) -> None:
    """Check that the image holds the very code that its tag stands for.

    Raises:
        ImageError: it does not: a file was saved while the image was built. The image loses its tag.
    """
    script = (
        "import json; from sluice.contract import Component; from sluice.contract.fingerprint import code_of;"
        f"print(json.dumps(code_of(Component.load({plan.component!r}))))"
    )
    held = json.loads(client.containers.run(plan.reference, ["-c", script], entrypoint="python", remove=True))
    changed = sorted(path for path in {*held, *plan.code} if held.get(path) != plan.code.get(path))
    if changed:
        client.images.remove(plan.reference)
        raise ImageError(
            "the code changed while the image was built",
            where=f"the image of {plan.component}",
            got=listed(changed),
            next_step="Run make build again",
        )


def build_error(plan: Plan, log: Path) -> ImageError:
    """What a failed build's log says, in words."""
    text = log.read_text(encoding="utf-8")
    for pattern, what, hint in SYMPTOMS:
        if found := re.search(pattern, text):
            got = found["got"]
            if what.startswith("the base image"):
                got = f"{got} ({plan.base})"
            return ImageError(what, where=f"the image of {plan.component}", got=got, next_step=hint)
    last = " ".join(text.strip().splitlines()[-3:])
    return ImageError(
        "the build failed", where=f"the image of {plan.component}", got=last, next_step=f"Read {log}"
    )


# --- packages that come before the build


def locked(plan: Plan) -> list[str]:
    """The lines of the lock, each with its hashes."""
    text = (ROOT / plan.lock).read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if "==" in line and not line.startswith("#")]


def fetch_local_builds(plan: Plan) -> None:
    """Put builds like `torch+cpu` into the wheelhouse, unless an index that has them is named.

    The usual index has none, and what this machine's pip finds them by (a folder, another index) is not there in a build.
    """
    if os.environ.get("TORCH_INDEX"):
        return
    wanted = [line for line in locked(plan) if "+" in line.split()[0]]
    missing = [line for line in wanted if not has_wheel(plan, line.split()[0])]
    if missing:
        download(plan, missing)


def has_wheel(plan: Plan, pin: str) -> bool:
    """Whether the wheelhouse holds this version. Whether it is the right file is for pip to say, by its hash."""
    name, version = pin.split("==")
    return any(plan.wheelhouse.glob(f"{name.replace('-', '_')}-{version}-*.whl"))


def download(plan: Plan, lines: Sequence[str]) -> None:
    """Download lines of a lock into wheelhouse/.

    Raises:
        ImageError: pip could not.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".lock") as file:
        file.write("\n".join(lines))
        file.flush()
        index = os.environ.get("TORCH_INDEX")
        extra = ["--extra-index-url", index] if index else []
        options = ["--quiet", "--no-deps", "--require-hashes", "--dest", str(plan.wheelhouse), *extra]
        failure = pip("download", *options, "--requirement", file.name)
    if failure:
        raise ImageError(
            "packages of the lock were not found",
            where=plan.lock,
            got=failure,
            next_step=f"Put their files into wheelhouse/{plan.component}/, or name an index that has them: TORCH_INDEX=… make build",
        )


def pip(*words: str) -> str:
    """Run this environment's pip; its last line if it failed."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *words]
    done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False)
    return (done.stderr.strip().splitlines() or ["pip failed"])[-1] if done.returncode else ""


# --- the record


def record_path() -> Path:
    """Where the record is: IMAGES, else in the checkout."""
    return Path(os.environ.get("IMAGES") or ROOT / IMAGES)


def record(plan: Plan, digest: str | None) -> None:
    """Put an image into the record, beside the others."""
    path = record_path()
    images = read_images(path) if path.exists() else {}
    images[plan.component] = Image(
        uri=f"{plan.repository}@{digest}" if digest else plan.reference,
        tag=plan.tag,
        python=python(),
        contract=CONTRACT_VERSION,
        revision=revision(ROOT) or "",
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".images-", delete=False) as file:
        yaml.safe_dump({name: image.model_dump() for name, image in sorted(images.items())}, file)
    Path(file.name).replace(path)


if __name__ == "__main__":
    sys.exit(main())
