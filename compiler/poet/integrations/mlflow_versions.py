"""Versions of policies beside the models they watch, and retrained models as feedback: MLflow."""

from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from poet.build.manifest import module_name
from poet.build.publish import published_manifest, published_source
from poet.events import Event
from poet_runtime.errors import EventError, RegistryError

if TYPE_CHECKING:
    from poet.workspace.workspace import Workspace


def log_policy_version(
    workspace: "Workspace", policy: str, version: int | None = None, *, run_id: str | None = None
) -> str:
    """Put a published version, module and manifest, among a run's artefacts; gives the folder it is in.

    The run gets tags too: ``poet.<policy>.version`` and ``poet.<policy>.sha256``, so that a run can be found
    by the policy that watched it.

    Parameters
    ----------
    version
        By default the one that answers now.
    run_id
        By default the active run; where there is none MLflow starts one.

    Raises
    ------
    PoetError
        There is no such version, or its files are not what was published.
    ModuleNotFoundError
        MLflow is not installed.
    """
    mlflow = _mlflow()
    number = workspace.registry.active(policy) if version is None else version
    if number is None:
        raise RegistryError(f"no version of {policy} answers; name the one to log")
    manifest = published_manifest(workspace.generated, policy, number)
    source = published_source(workspace.generated, policy, number)
    manifest_path = workspace.generated / f"{module_name(policy, number)}.json"
    folder = f"poet/{policy}"
    client, run = mlflow.MlflowClient(), run_id or _active_run(mlflow)
    with TemporaryDirectory(prefix="poet-mlflow-") as staging:
        module = Path(staging) / f"{module_name(policy, number)}.py"
        module.write_bytes(source.encode())  # what was published, which the file on disk need not be
        for path in (module, manifest_path):
            client.log_artifact(run, str(path), folder)
    client.set_tag(run, f"poet.{policy}.version", str(number))
    client.set_tag(run, f"poet.{policy}.sha256", manifest.source_sha256)
    return folder


def record_retraining(
    workspace: "Workspace",
    *,
    execution_id: str,
    metric: str,
    before: str,
    after: str,
    cost: float | str | None = None,
) -> Event:
    """Tell the log that a model was trained again because of an alert, and what that gave.

    Parameters
    ----------
    execution_id
        Of the alert that was the reason.
    metric
        The runs' metric that says how good the model is; more is better.
    before, after
        The runs of the old and of the new model. The event is the new run's: told twice, it counts once.
    cost
        Of the training, in dollars or as people write them.

    Raises
    ------
    EventError
        A run has no such metric.
    ModuleNotFoundError
        MLflow is not installed.
    """
    data: dict[str, object] = {
        "trigger": f"drift_alert_{execution_id}",
        "performance_before": _metric(before, metric),
        "performance_after": _metric(after, metric),
        "metric": metric,
        "mlflow_runs": [before, after],
    }
    if cost is not None:
        data["retraining_cost"] = cost
    return workspace.emit(
        "model.retrained", data, source="mlflow", id=f"{after}/{execution_id}", durable=True
    )


def _mlflow() -> Any:
    """Give MLflow, which is optional and has no types."""
    return import_module("mlflow")


def _active_run(mlflow: Any) -> str:
    run = mlflow.active_run() or mlflow.start_run()
    return str(run.info.run_id)


def _metric(run_id: str, metric: str) -> float:
    found = _mlflow().MlflowClient().get_run(run_id).data.metrics
    if metric not in found:
        raise EventError(
            event=f"MLflow's run {run_id}",
            path=f"metrics.{metric}",
            expected=f"one of {', '.join(sorted(found)) or 'its metrics, of which there are none'}",
            got="no such metric",
        )
    return float(found[metric])
