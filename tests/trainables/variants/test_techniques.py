"""BitFit, freezing, checkpointing, eight bits, compiling: what each does to a model, and what it refuses to do."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from analysis.tables.folder import Folder
from tests.tiny import Family, tiny_model
from tests.trainables.runs import StopAt, tiny_run
from tests.trainables.text_runs import model_of, text_run
from trainables import registry
from trainables.config import ModelConfig, TrainConfig
from trainables.data.features import Ragged
from trainables.modeling.pretrained import ModelSource, instantiate
from trainables.protocols.variant import NoEffect, Plan, Subject, adjust_model, plan_of, resolve_variants
from trainables.system.hardware import Gpu, Hardware
from trainables.training import control_points
from trainables.training.evaluation import displaced
from trainables.training.optimizer import decay_groups
from trainables.training.run import run
from trainables.training.setup import prepare
from trainables.training.token_cache import RunCache
from trainables.variants import attention, cuda_graphs, misaligned_evaluation, tf32, torch_compile

TEXTS = "AutoModelForSequenceClassification"
PROCESSOR = Hardware("a processor", frozenset(), ())
OLD_GPU = Hardware("a processor", frozenset(), (Gpu("a T4", 7.5, 16.0),))
NEW_GPU = Hardware("a processor", frozenset(), (Gpu("an A100", 8.0, 80.0),))


def load(name: str) -> Any:
    """The registered variant."""
    return registry.load("variant", name)


def adjusted(folder: Path, name: str, variant: str, **options: Any) -> Any:
    """A tiny model with three classes after one variant has acted on it."""
    applied = resolve_variants({variant: options}, load)
    model = instantiate(ModelSource(model_of(folder, name), texts=lambda: ["a b"]).load(TEXTS, ("a", "b", "c")), 1)
    return adjust_model(model, applied)


def trainable(model: Any) -> set[str]:
    """Names of the parameters that train."""
    return {name for name, weight in model.named_parameters() if weight.requires_grad}


@pytest.mark.parametrize("family", ["bert", "deberta-v2", "distilbert", "qwen2"])
def test_bitfit_trains_every_bias_and_the_head_and_no_matrix_of_the_body(tmp_path: Path, family: Family) -> None:
    names = trainable(adjusted(tmp_path, family, "bitfit"))
    head = {name for name in names if name.startswith(("classifier", "score", "pre_classifier", "pooler"))}
    assert {name.rsplit(".", 1)[-1] for name in names - head} == {"bias"}
    assert {name.rsplit(".", 1)[-1] for name in head} >= {"weight"}
    assert len(names - head) > 5


def test_bitfit_refuses_a_body_without_biases_before_and_after_it_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(NoEffect, match="modernbert has no encoder biases; bitfit would train the head only"):
        adjusted(tmp_path, "modernbert", "bitfit")
    subject = Subject("modernbert-base", "bf16", has_biases=registry.load("model", "modernbert-base").has_biases)
    assert "no encoder biases" in str(load("bitfit").incompatible(subject, load("bitfit").options()))


@pytest.mark.parametrize(
    ("family", "stack"), [("bert", "encoder.layer"), ("modernbert", "layers"), ("distilbert", "transformer.layer")]
)
def test_freezing_keeps_embeddings_and_bottom_layers_and_trains_the_rest(
    tmp_path: Path, family: Family, stack: str
) -> None:
    model = adjusted(tmp_path, family, "freezing", layers=1)
    frozen = {name for name, _ in model.named_parameters()} - trainable(model)
    assert any("embed" in name for name in frozen)
    assert {"embed" in name or f"{stack}.0." in name for name in frozen} == {True}
    assert any(f"{stack}.1." in name for name in trainable(model))


def test_freezing_more_layers_than_there_are_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoEffect, match=r"freezing.layers is 3, but bert has 2 layers"):
        adjusted(tmp_path, "bert", "freezing", layers=3)
    with pytest.raises(NoEffect, match="feed-forward is not a stack of layers"):
        adjusted(tmp_path, "feed-forward", "freezing", layers=1)
    reason = load("freezing").incompatible(Subject("minilm-l6", "fp32", layers=6), load("freezing").options(layers=10))
    assert reason == "freezing.layers is 10, but minilm-l6 has 6 layers"


def test_checkpointing_computes_the_same_numbers_with_dropout(tmp_path: Path) -> None:
    plain = run(tiny_run(tmp_path, dropout=0.2, epochs=1))
    again = run(tiny_run(tmp_path, dropout=0.2, epochs=1, variants={"gradient_checkpointing": {}}))
    assert again.epochs["train_loss"].tolist() == plain.epochs["train_loss"].tolist()
    assert again.epochs["grad_norm"].tolist() == plain.epochs["grad_norm"].tolist()


def test_checkpointing_a_model_without_blocks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoEffect, match="feed-forward has no blocks that can be checkpointed"):
        adjusted(tmp_path, "feed-forward", "gradient_checkpointing")


def test_eight_bits_hold_the_state_of_large_weights_only() -> None:
    pytest.importorskip("bitsandbytes", reason="the adapters extra is not installed")
    model = torch.nn.Linear(128, 64)
    optimizer = plan_of(resolve_variants({"adamw_8bit": {}}, load)).optimizer
    assert optimizer is not None
    built = optimizer(decay_groups(model, 0.01), TrainConfig(learning_rate=1e-2))
    model(torch.ones(2, 128)).sum().backward()
    built.step()
    states = {name: built.state[weight]["state1"].dtype for name, weight in model.named_parameters()}
    assert states == {"weight": torch.uint8, "bias": torch.float32}


def test_a_model_too_small_for_eight_bits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoEffect, match=r"the largest trainable weight has [\d,]+ entries; below 4,096"):
        adjusted(tmp_path, "feed-forward", "adamw_8bit")


def test_an_interrupted_run_with_state_in_eight_bits_goes_on_as_if_nothing_had_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("bitsandbytes", reason="the adapters extra is not installed")
    monkeypatch.setattr(control_points, "INTERVAL_SECONDS", 0.0)
    tiny_model(tmp_path / "bert", "bert", hidden_size=64, intermediate_size=64)
    config = tiny_run(tmp_path, variants={"adamw_8bit": {}}, epochs=2, dropout=0.1)
    folder = Folder.at(tmp_path / "checkpoints")
    assert run(config, control=StopAt(4), folder=folder).status == "stopped"
    resumed, whole = run(config, folder=folder), run(config)
    assert resumed.epochs["train_loss"].tolist() == whole.epochs["train_loss"].tolist()
    assert resumed.epochs["grad_norm"].tolist() == whole.epochs["grad_norm"].tolist()


def test_the_control_gives_each_item_the_output_of_another_and_keeps_every_output_once() -> None:
    lengths = np.array([9, 3, 7, 3, 8, 2, 5, 6, 4, 1])
    order = misaligned_evaluation.by_length(lengths, np.random.default_rng(0))
    assert sorted(order) == list(range(10))
    assert order.tolist() != list(range(10))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"mode": "fast"}, "mode"),
        (
            {"backend": "aot_eager", "mode": "max-autotune"},
            "mode max-autotune needs backend: inductor; aot_eager has no modes",
        ),
        ({"mode": "reduce-overhead"}, "captures CUDA graphs: it needs shapes: fixed"),
        ({"recompile_limit": 0}, "recompile_limit"),
    ],
)
def test_options_of_compiling_that_cannot_be_meant_are_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        resolve_variants({"torch_compile": options}, load)


def test_compiling_more_often_than_allowed_is_an_error_and_no_silent_fall_back(tmp_path: Path) -> None:
    variants = {"torch_compile": {"backend": "aot_eager", "shapes": "fixed", "recompile_limit": 1}}
    with pytest.raises(RuntimeError, match="compiled 1 times for new inputs; use shapes: dynamic"):
        run(tiny_run(tmp_path, variants=variants, epochs=1, family="bert"))
    assert torch._dynamo.config.fail_on_recompile_limit_hit is False


def test_without_a_compiler_inductor_is_unsupported_and_the_tracer_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    inductor, tracer = torch_compile.Options(), torch_compile.Options(backend="aot_eager")
    assert "needs a C++ compiler, but there is no no-such-compiler" in str(
        torch_compile.unsupported(PROCESSOR, inductor)
    )
    assert torch_compile.unsupported(PROCESSOR, tracer) is None
    autotuned = torch_compile.Options(mode="max-autotune", shapes="fixed")
    assert "needs a CUDA device" in str(torch_compile.unsupported(PROCESSOR, autotuned))


def test_flash_attention_is_refused_by_architecture_precision_and_machine() -> None:
    options = attention.Options(implementation="flash_attention_2")
    assert attention.incompatible(Subject("deberta", "bf16", ("eager",)), options) == (
        "deberta has no flash_attention_2 attention; it has eager"
    )
    assert "computes in bf16 and fp16 only" in str(attention.incompatible(Subject("bert", "fp32"), options))
    assert attention.incompatible(Subject("bert", "bf16", ("sdpa", "eager", "flash_attention_2")), options) is None
    assert "needs a CUDA device" in str(attention.unsupported(PROCESSOR, options))
    if find_spec("flash_attn") is None:
        assert "pip install flash-attn" in str(attention.unsupported(NEW_GPU, options))
    assert "capability 8 or later, here is a T4" in str(attention.unsupported(OLD_GPU, options))


def test_tf32_is_refused_where_no_product_is_in_float32_and_where_no_core_has_it() -> None:
    options = tf32.Options()
    assert "would do nothing: the matrix products of bert are in bf16" in str(
        tf32.incompatible(Subject("bert", "bf16"), options)
    )
    assert "capability 8 or later" in str(tf32.unsupported(OLD_GPU, options))
    with tf32.around(options):
        assert torch.backends.cuda.matmul.fp32_precision == "tf32"
    assert torch.backends.cuda.matmul.fp32_precision != "tf32"


def test_recorded_steps_and_modes_that_record_exclude_each_other() -> None:
    recipe = {"torch_compile": {"mode": "reduce-overhead", "shapes": "fixed"}, "cuda_graphs": {}}
    with pytest.raises(ValueError, match="cuda_graphs excludes torch_compile with mode reduce-overhead"):
        plan_of(resolve_variants(recipe, load))
    found = plan_of(resolve_variants({"torch_compile": {"shapes": "fixed"}, "cuda_graphs": {}}, load))
    assert found == Plan(width_multiple=64, optimizer=cuda_graphs.build, recorder=cuda_graphs.record)
    assert "gradient scaler" in str(cuda_graphs.incompatible(Subject("bert", "fp16"), cuda_graphs.Options()))


def test_a_compiled_model_is_saved_under_the_names_of_the_plain_one(tmp_path: Path) -> None:
    config = ModelConfig(name="tiny", source=str(tiny_model(tmp_path / "model")))
    model = instantiate(ModelSource(config).load(TEXTS, ("a", "b")), 1)
    names = list(model.state_dict())
    compiled = torch_compile.adjust_model(model, torch_compile.Options(backend="aot_eager"))
    assert list(compiled.state_dict()) == names
    assert compiled is model


def test_compiled_graphs_serve_the_runs_of_one_system_and_are_dropped_for_the_next(tmp_path: Path) -> None:
    compiled: list[Any] = []

    def backend(graph: Any, inputs: Any) -> Any:
        compiled.append(graph)
        return graph.forward

    double = torch.compile(lambda values: values * 2, backend=backend)
    cache, device = RunCache(), torch.device("cpu")

    def graphs_after(**changes: Any) -> int:
        prepare(tiny_run(tmp_path, **changes), device, cache)
        double(torch.ones(2))
        return len(compiled)

    assert graphs_after(seed=1) == graphs_after(seed=2) == 1
    assert graphs_after(variants={"length_bucketing": {}}) == 2
    assert graphs_after(seed=1) == 3


@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler")
@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method. is deprecated:DeprecationWarning")  # inductor's import
def test_generated_kernels_learn_what_the_usual_ones_learn_with_the_same_dropout(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"epochs": 1, "batch_size": 9, "dropout": 0.3}
    plain = run(text_run(tmp_path, "feed-forward", **settings))
    compiled = run(text_run(tmp_path, "feed-forward", **settings, variants={"torch_compile": {}}))
    assert compiled.epochs["train_loss"].tolist() == pytest.approx(plain.epochs["train_loss"].tolist(), rel=1e-5)
    assert compiled.epochs["eval_loss"].tolist() == pytest.approx(plain.epochs["eval_loss"].tolist(), rel=1e-5)


def test_displaced_outputs_fit_the_features_that_they_are_given_to() -> None:
    outputs = Ragged.from_rows([[1, 2, 3], [4], [6, 5]], np.int64)
    order = np.array([1, 2, 0])
    assert [row.tolist() for row in map(displaced(outputs, order, True).row, range(3))] == [[4, 4, 4], [6], [1, 2]]
    assert [row.tolist() for row in map(displaced(outputs, order, False).row, range(3))] == [[4], [6, 5], [1, 2, 3]]
