"""Looks at a cluster's dashboard as a person with the token does: its lists, its metrics, and pictures of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests

from tests.analysis.report import browser
from tests.cluster.hosts import Host

COOKIE = "ray-authentication-token"
METRICS_PORT = 8090
SETTLE_SECONDS = 6.0


class View:
    """The dashboard's own interface for programs."""

    def __init__(self, address: str, token: str) -> None:
        self._address = address
        self._headers = {"Authorization": f"Bearer {token}"}
        assert requests.get(f"{address}/api/version", timeout=10).status_code == 401

    def _list(self, what: str) -> list[dict[str, Any]]:
        found = requests.get(f"{self._address}/api/v0/{what}?detail=1", headers=self._headers, timeout=30)
        found.raise_for_status()
        rows: list[dict[str, Any]] = found.json()["data"]["result"]["result"]
        return rows

    def wait_for_lanes(self, count: int, seconds: float) -> None:
        """Wait until workers of so many lanes are at work on different nodes."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            workers = [row for row in self._list("actors") if _is_worker(row) and row["state"] == "ALIVE"]
            if len({row["node_id"] for row in workers}) >= count:
                return
            time.sleep(1.0)
        raise TimeoutError(f"no {count} lanes within {seconds:g} s")

    def names(self) -> list[str]:
        """What the dashboard calls the lanes, which are trainers, and the living actors."""
        found = requests.get(f"{self._address}/api/train/v2/runs/v1", headers=self._headers, timeout=30).json()
        lanes = [f"trainer | {run['name']} | {run['status']}" for run in found["train_runs"]]
        rows = [row for row in self._list("actors") if row["state"] == "ALIVE"]
        return sorted(lanes) + sorted(f"{row['class_name']} | {row['name']} | {row.get('repr_name')}" for row in rows)

    def metrics(self, addresses: Sequence[str], host: Host) -> str:
        """Our own metrics, as Prometheus would read them on the cluster."""
        found = [host.run("curl", "-s", f"http://{address}:{METRICS_PORT}/metrics") for address in addresses]
        return "\n".join(line for text in found for line in text.splitlines() if "orchestrate" in line)


def pictures(address: str, token: str, job: str, folder: Path) -> None:
    """Screenshots of the pages that a person looks at while a sweep runs."""
    program = browser.find()
    assert program is not None, "no Chromium here"
    with browser.running(program, folder / "browser") as tab:
        tab.call("Network.setCookie", name=COOKIE, value=token, url=address)
        tab.show(1500, 950)
        for page in ("jobs", f"jobs/{job}", "cluster", "actors"):
            tab.call("Page.navigate", url=f"{address}/#/{page}")
            time.sleep(SETTLE_SECONDS)
            tab.screenshot(folder / f"dashboard-{page.partition('/')[0]}{'-one' if '/' in page else ''}.png")


def _is_worker(row: dict[str, Any]) -> bool:
    return "RayTrainWorker" in str(row["class_name"])
