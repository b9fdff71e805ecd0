"""Tests of the MLflow adapter with the real library and a store in a folder."""

import hashlib
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import msgspec
import pytest

from poet import Workspace
from tests.workspaces import first_workspace

pytestmark = pytest.mark.skipif(find_spec("mlflow") is None, reason="mlflow is not installed")
# a separate process, because MLflow prints warnings and keeps global state
PROGRAM = """
import sys
import mlflow
from poet import Workspace
from poet.integrations.mlflow_versions import log_policy_version, record_retraining
from poet_runtime.errors import EventError, PublishError

mlflow.set_tracking_uri(sys.argv[1])
with Workspace.open("shop") as workspace:
    with mlflow.start_run() as old:
        mlflow.log_metric("auc", 0.71)
        print(log_policy_version(workspace, "detect_drift"))
    with mlflow.start_run() as new:
        mlflow.log_metric("auc", 0.84)
    log_policy_version(workspace, "generate_alerts", 1, run_id=new.info.run_id)
    for _ in range(2):
        record_retraining(workspace, execution_id="x1", metric="auc", before=old.info.run_id,
                          after=new.info.run_id, cost="$12.50")
    for refused, call in (
        (EventError, lambda: record_retraining(
            workspace, execution_id="x1", metric="f1", before=old.info.run_id, after=new.info.run_id)),
        (PublishError, lambda: log_policy_version(workspace, "detect_drift", 9, run_id=new.info.run_id)),
    ):
        try:
            call()
        except refused as error:
            print(error)
client = mlflow.MlflowClient()
print(client.get_run(old.info.run_id).data.tags["poet.detect_drift.sha256"])
print(client.get_run(new.info.run_id).data.tags["poet.generate_alerts.version"])
found = client.download_artifacts(old.info.run_id, "poet/detect_drift", sys.argv[2])
print(found)
"""


def test_a_version_is_an_artifact_and_a_retraining_is_feedback(tmp_path: Path) -> None:
    """The artifact has module and manifest unchanged. A retraining that is recorded twice is one event."""
    shop = first_workspace(tmp_path / "shop")
    (tmp_path / "down").mkdir()
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, (tmp_path / "runs").as_uri(), str(tmp_path / "down")],
        cwd=tmp_path,
        env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ALLOW_FILE_STORE": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    folder, no_metric, no_version, digest, number, found = ended.stdout.splitlines()
    module = (shop / "generated" / "detect_drift_v1.py").read_bytes()
    assert (folder, number) == ("poet/detect_drift", "1")
    assert digest == hashlib.sha256(module).hexdigest()
    assert (Path(found) / "detect_drift_v1.py").read_bytes() == module
    manifest = (shop / "generated" / "detect_drift_v1.json").read_bytes()
    assert (Path(found) / "detect_drift_v1.json").read_bytes() == manifest
    assert "metrics.f1: expected one of auc, got no such metric" in no_metric
    assert "detect_drift_v9.json is missing" in no_version
    with Workspace.open(shop) as workspace:
        (event,) = [stored.event for stored in workspace.log.read()]
    data = msgspec.json.decode(event.raw)["data"]
    assert (event.type, event.source, data["trigger"]) == ("model.retrained", "mlflow", "drift_alert_x1")
    assert (data["performance_before"], data["performance_after"]) == (0.71, 0.84)
