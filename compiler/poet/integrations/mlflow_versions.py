"""MLflow integration: log policy versions to runs, and record retrained models as feedback."""

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
    """Log the module and manifest of a published version as artifacts of a run, and return their folder.

    The run is also tagged with ``poet.<policy>.version`` and ``poet.<policy>.sha256``, so that runs can be
    searched by the policy that monitored them.

    Parameters
    ----------
    version
        By default the active version.
    run_id
        By default the active run; if there is none, MLflow starts one.

    Raises
    ------
    PoetError
        The version does not exist, or its files were changed after publication.
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
        module.write_bytes(source.encode())  # the published source, which may differ from the file on disk
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
    """Record that a model was retrained because of an alert, with its performance before and after.

    Parameters
    ----------
    execution_id
        The execution id of the alert that caused the retraining.
    metric
        The metric of the runs that measures model performance; larger is better.
    before, after
        The run ids of the old and of the new model. The event id contains that of the new run, so
        recording it twice counts once.
    cost
        The cost of the training, as a number of dollars or as text that the feedback log accepts.

    Raises
    ------
    EventError
        A run does not have this metric.
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
    """Return the MLflow module, which is optional and untyped."""
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
