"""What we tell people to install is ours: the name on package indexes belongs to somebody else."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from orchestrator.commands import doctor
from trainables import registry
from trainables.config import TrainConfig
from trainables.modeling import pretrained
from trainables.protocols.model_preset import ModelPreset, PackagedWeights
from trainables.system.extras import install
from trainables.variants import _adapters, adamw_8bit

ROOT = Path(__file__).resolve().parent.parent
OURS = re.compile(r"pip3? install[^\n]*?(?<![\w/.-])orchestrat(?:or|e)\b(?!['\"]?/)")
TEXTS = [
    path
    for pattern in ("*.md", "*.yaml", "*.txt", "docs/*", "benchmarks/*", "[otab]*/**/*.py", "[ot]*/**/*.yaml")
    for path in ROOT.glob(pattern)
    if path.is_file() and path.suffix in {".md", ".yaml", ".txt", ".py"} and "egg-info" not in str(path)
]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


@pytest.mark.parametrize(
    ("text", "is_a_strangers"),
    [
        ("pip install orchestrator", True),
        ('run: pip install "orchestrator[adapters]"', True),
        ("pip install --upgrade 'orchestrator[quickstart]'", True),
        ("from the checkout: pip install -e '.[adapters]'", False),
        ("~/venv/bin/pip install --constraint ~/orchestrate/constraints.txt ~/orchestrate'[adapters]'", False),
    ],
)
def test_a_name_from_an_index_is_told_from_a_path(text: str, is_a_strangers: bool) -> None:
    assert bool(OURS.search(text)) is is_a_strangers


def test_no_file_of_ours_tells_anybody_to_install_our_name_from_an_index() -> None:
    assert len(TEXTS) > 200
    found = [path for path in TEXTS if path != Path(__file__).resolve() and OURS.search(path.read_text("utf-8"))]
    assert found == []


def test_the_hint_is_one_command_in_the_checkout_that_ends_the_line() -> None:
    assert install("adapters") == "from the checkout: pip install -e '.[adapters]'"
    assert install() == "from the checkout: pip install -e ."


def test_every_preset_of_a_package_says_how_to_install_it_from_the_checkout() -> None:
    presets: list[ModelPreset] = [registry.load("model", name) for name in registry.names("model")]
    hints = {preset.name: preset.source.install for preset in presets if isinstance(preset.source, PackagedWeights)}
    assert set(hints) >= {"minilm-l6", "minilm-l3", "minilm-l6-scratch", "feed-forward"}
    assert set(hints.values()) == {install("quickstart"), install()}
    assert {"quickstart", "adapters"} <= set(EXTRAS)


def test_what_a_recipe_lacks_is_named_with_the_way_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    hint = re.escape(f"run {install('adapters')}") + "$"
    for module in (_adapters, adamw_8bit):
        monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=f"lora needs peft; {hint}"):
        _adapters.add_adapters(object(), _adapters.AdapterOptions(), "lora")  # type: ignore[arg-type]
    with pytest.raises(ImportError, match=f"adamw_8bit needs bitsandbytes; {hint}"):
        adamw_8bit.build([], TrainConfig())
    with pytest.raises(ImportError, match=f"need no_such_package; {hint}"):
        pretrained._require("no_such_package")


def test_the_doctor_advises_the_extra_of_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "QUICKSTART_PACKAGE", "no-such-package")
    (found,) = (finding for finding in doctor.examine(tmp_path) if finding.name == "quickstart")
    assert (found.state, found.advice) == ("warning", install("quickstart"))
