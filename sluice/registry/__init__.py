"""The model registry: accepted models, their status, and who decided what and why; one interface, a home per place.

One home is a folder on this machine with MLflow's SQLite store: reading it needs no MLflow, registering and deciding
do. The other is SageMaker Model Registry.
"""

from sluice.registry.base import Candidate, Registry
from sluice.registry.home import RegistryHome
from sluice.registry.records import Decision, ModelVersion, Status
from sluice.registry.who import current_user

__all__ = ["Candidate", "Decision", "ModelVersion", "Registry", "RegistryHome", "Status", "current_user"]
