"""The contract: artifacts, manifests, typed tables, storage, and the runner of one component.

Imports nothing of Sluice but itself, and only the standard library, pydantic and pyarrow.
"""

from sluice.contract.artifacts import (
    Artifact,
    Features,
    Model,
    Output,
    Report,
    Table,
    TableWriter,
    open_artifact,
)
from sluice.contract.component import Component, Metrics, Port, Roles, Verdict, roles
from sluice.contract.errors import (
    ArtifactMissing,
    ArtifactTampered,
    AwsError,
    AwsNotFound,
    ContractError,
    ContractTooNew,
    ImageError,
    InputError,
    RecipeError,
    RegistryError,
    ResourceMissing,
    SchemaMismatch,
    SluiceError,
    StepFailed,
    StorageError,
    TrainingFailed,
    WiringError,
)
from sluice.contract.execution import Call, Result, read_result, run
from sluice.contract.external import External, Source
from sluice.contract.fingerprint import Fingerprint
from sluice.contract.manifest import (
    CONTRACT_VERSION,
    MANIFEST,
    Manifest,
    Parent,
    Producer,
    digest_of,
)
from sluice.contract.progress import report
from sluice.contract.schema import Columns, Role, TableColumn, require_readable
from sluice.contract.settings import Settings, Strict, first_problem

__all__ = [
    "CONTRACT_VERSION",
    "MANIFEST",
    "Artifact",
    "ArtifactMissing",
    "ArtifactTampered",
    "AwsError",
    "AwsNotFound",
    "Call",
    "Columns",
    "Component",
    "ContractError",
    "ContractTooNew",
    "External",
    "Features",
    "Fingerprint",
    "ImageError",
    "InputError",
    "Manifest",
    "Metrics",
    "Model",
    "Output",
    "Parent",
    "Port",
    "Producer",
    "RecipeError",
    "RegistryError",
    "Report",
    "ResourceMissing",
    "Result",
    "Role",
    "Roles",
    "SchemaMismatch",
    "Settings",
    "SluiceError",
    "Source",
    "StepFailed",
    "StorageError",
    "Strict",
    "Table",
    "TableColumn",
    "TableWriter",
    "TrainingFailed",
    "Verdict",
    "WiringError",
    "digest_of",
    "first_problem",
    "open_artifact",
    "read_result",
    "report",
    "require_readable",
    "roles",
    "run",
]
