"""Questions become windows, windows become one answer or none, whatever the tokenizer; bad questions are named."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError

from tests.tiny import FAMILIES, Family
from tests.trainables.tasks.questions import tiny_questions
from tests.trainables.tasks.texts import tiny_tokenizer
from trainables.config import SplitConfig
from trainables.data.dataset import Corpus, DataError
from trainables.data.features import Features, Ragged
from trainables.data.splits import Split, split_for
from trainables.tasks.question_answering import TASK

SHORT = TASK.configured({"stride": 16})
ITEMS = tiny_questions(9)
NONE: dict[str, Any] = {"text": [], "answer_start": []}


def _encoded(family: Family = "bert", items: list[dict[str, Any]] | None = None, max_length: int = 80) -> Features:
    return SHORT.encode(ITEMS if items is None else items, tiny_tokenizer(family), (), max_length)


def _outputs(features: Features, seed: int | None = None) -> dict[str, Ragged]:
    """Random scores; without a seed, scores that are highest at each window's own target."""
    offsets = features.columns["input_ids"].offsets
    if seed is not None:
        values = np.random.default_rng(seed).normal(size=(2, offsets[-1])).astype(np.float32)
        return {"start": Ragged(values[0], offsets), "end": Ragged(values[1], offsets)}
    found = {}
    for name, target in (("start", "start_positions"), ("end", "end_positions")):
        values = np.zeros(offsets[-1], dtype=np.float32)
        values[offsets[:-1] + features.columns[target].values] = 9.0
        found[name] = Ragged(values, offsets)
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_at_the_targets_give_back_the_gold_answers(family: Family) -> None:
    features = _encoded(family)
    assert len(features) > len(ITEMS)
    table = SHORT.predictions(ITEMS, features, _outputs(features), ())
    answered = [bool(item["answers"]["text"]) for item in ITEMS]
    expected = [item["answers"]["text"][0] if item["answers"]["text"] else "" for item in ITEMS]
    assert table["answer"][answered].tolist() == [text for text in expected if text]
    assert table["gold"].tolist() == expected
    assert table["item"].tolist() == [item["id"] for item in ITEMS]
    assert table["cluster"].tolist() == [item["cluster"] for item in ITEMS]
    assert (table["no_answer_score"][[not answer for answer in answered]] > 0).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_windows_hold_the_whole_question_and_cover_the_context_with_a_stride(family: Family) -> None:
    tokenizer, features = tiny_tokenizer(family), _encoded(family)
    assert features.lengths.max() <= 80
    assert features.terms.tolist() == [1] * len(features)
    for index, item in enumerate(ITEMS):
        whole = tokenizer(item["question"], item["context"])
        behind = whole.encodings[0].sequence_ids.index(1)
        rows = [features.columns["input_ids"].row(window).tolist() for window in features.of_items([index])]
        contexts = [row[behind:-1] for row in rows]
        assert all(row[:behind] == whole["input_ids"][:behind] for row in rows)
        assert all(left[-16:] == right[:16] for left, right in itertools.pairwise(contexts))
        assert [*contexts[0], *(piece for row in contexts[1:] for piece in row[16:])] == whole["input_ids"][behind:-1]


def test_a_window_without_the_answer_points_at_its_first_piece() -> None:
    features = _encoded()
    targets = np.stack([features.columns[name].values for name in SHORT.targets], axis=1)
    for index, item in enumerate(ITEMS):
        pointing = targets[features.of_items([index])].any(axis=1)
        assert pointing.any() == bool(item["answers"]["text"])
        assert not pointing.all()
    assert features.facts["answers_in_no_window"] == 0
    long = [{**ITEMS[1], "answers": {"text": [ITEMS[1]["context"][:-1]], "answer_start": [0]}}]
    assert _encoded(items=long).facts["answers_in_no_window"] == 1


VOLTAGE = "The power bus shall provide a voltage. "


def _trained_spans(context: str, text: str, start: int, family: Family, max_length: int = 64) -> list[str | None]:
    """What each window is trained to mark, as the context writes it; None for no answer."""
    items = [{"id": "q", "question": "What?", "context": context, "answers": {"text": [text], "answer_start": [start]}}]
    task = TASK.configured({"stride": 4})
    task.check(items)
    features = task.encode(items, tiny_tokenizer(family), (), max_length)
    spans: list[str | None] = []
    for window in range(len(features)):
        first, last = (int(features.columns[name].values[window]) for name in TASK.targets)
        begin, end = features.extra["start"].row(window)[first], features.extra["end"].row(window)[last]
        spans.append(context[begin:end].strip() if last else None)
    assert features.facts["answers_in_no_window"] == int(not any(spans))
    return spans


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("text", "start", "trained"),
    [
        ("voltage", 30, "voltage"),
        (" power ", 3, "power"),
        (" power ", 4, "power"),
        ("power", 3, "power"),
        ("power  bus\n", 4, "power bus"),
        ("voltage. ", 30, "voltage."),
        ("The ", 0, "The"),
    ],
)
def test_white_space_around_an_answer_is_no_part_of_it(text: str, start: int, trained: str, family: Family) -> None:
    assert _trained_spans(VOLTAGE, text, start, family) == [trained]


@pytest.mark.parametrize(
    ("context", "text", "start", "trained"),
    [
        ("A high voltage\u200b", "voltage\u200b", 7, "voltage"),
        ("\ufeffThe power bus", "\ufeffThe", 0, "The"),
        ("The power\u200b bus shall", "\u200b bus", 9, "bus"),
    ],
)
def test_characters_without_a_token_do_not_move_an_answer_or_lose_it(
    context: str, text: str, start: int, trained: str
) -> None:
    """BERT's tokenizer leaves out zero-width spaces and byte-order marks; the other families have tokens for them."""
    assert _trained_spans(context, text, start, "bert") == [trained]


@pytest.mark.parametrize("family", FAMILIES)
def test_an_answer_that_a_window_cuts_is_learned_only_where_it_is_whole(family: Family) -> None:
    context = "The tank shall withstand the launch loads and the power bus shall provide a regulated voltage of 28 V"
    spans = _trained_spans(context, "a regulated voltage of 28 V", 74, family, 24)
    assert len(spans) > 1
    assert set(spans) <= {None, "a regulated voltage of 28 V"}
    assert spans[0] is None


def test_a_wrong_offset_is_refused_with_the_right_one() -> None:
    item = {**ITEMS[1], "context": VOLTAGE, "answers": {"text": ["power"], "answer_start": [5]}}
    with pytest.raises(DataError, match=r"'power' is not at character 5 .*'ower ' is; the answer is at character 4"):
        TASK.check([item])
    item = {**item, "answers": {"text": ["current"], "answer_start": [5]}}
    with pytest.raises(DataError, match="the context does not hold the answer"):
        TASK.check([item])


def test_a_question_without_answer_in_the_scores_gets_its_best_span_where_one_is_demanded() -> None:
    features = _encoded()
    silent = _outputs(features)  # of which every third question scores highest at CLS
    predicted = SHORT.predictions(ITEMS, features, silent, ())["predicted"]
    assert (predicted == "").tolist() == [True, False, False] * 3
    never = TASK.configured({"stride": 16, "no_answer": "never"})
    assert (never.predictions(ITEMS, features, silent, ())["predicted"] != "").all()


def test_segments_are_there_for_the_tokenizers_that_tell_them_apart() -> None:
    assert "token_type_ids" not in _encoded("roberta").columns
    features = _encoded("bert")
    segments, place = features.columns["token_type_ids"].row(0), features.extra["start"].row(0)
    assert segments[place >= 0].tolist() == [1] * int((place >= 0).sum())
    assert segments[0] == 0


def _answers_as_the_field_does(
    features: Features, outputs: dict[str, Ragged], items: list[dict[str, Any]], n_best: int, longest: int
) -> tuple[list[str], list[float]]:
    texts, differences = [], []
    for index, item in enumerate(items):
        score, text, null = _search(features, outputs, item, index, n_best, longest)
        texts.append(text.strip())
        differences.append(null - score)
    return texts, differences


def _search(
    features: Features, outputs: dict[str, Ragged], item: dict[str, Any], index: int, n_best: int, longest: int
) -> tuple[float, str, float]:
    candidates, null = [], np.inf
    for window in features.of_items([index]):
        start, end = outputs["start"].row(window).tolist(), outputs["end"].row(window).tolist()
        first, last = features.extra["start"].row(window), features.extra["end"].row(window)
        null = min(null, start[0] + end[0])
        for a in sorted(range(len(start)), key=lambda place: -start[place])[:n_best]:
            for b in sorted(range(len(end)), key=lambda place: -end[place])[:n_best]:
                if first[a] >= 0 and last[b] >= 0 and a <= b < a + longest:
                    candidates.append((start[a] + end[b], item["context"][first[a] : last[b]]))
    if not candidates:
        return _search(features, outputs, item, index, 10_000, longest)
    return (*max(candidates), null)


@pytest.mark.parametrize(("n_best", "longest"), [(20, 30), (5, 4), (80, 1)])
def test_answers_are_those_of_the_plain_search(n_best: int, longest: int) -> None:
    task = TASK.configured({"stride": 16, "n_best": n_best, "max_answer_length": longest})
    features = _encoded()
    for seed in range(5):
        outputs = _outputs(features, seed)
        table = task.predictions(ITEMS, features, outputs, ())
        texts, differences = _answers_as_the_field_does(features, outputs, ITEMS, n_best, longest)
        assert table["answer"].tolist() == texts
        assert table["no_answer_score"].tolist() == pytest.approx(differences, abs=1e-6)


def test_where_no_best_start_meets_a_best_end_all_pieces_are_searched() -> None:
    features = _encoded()
    outputs = _outputs(features, 0)
    for rows in outputs.values():
        rows.values[rows.offsets[:-1]] += 100.0  # every window's best start and end are its first piece
    table = TASK.configured({"n_best": 1}).predictions(ITEMS, features, outputs, ())
    texts, differences = _answers_as_the_field_does(features, outputs, ITEMS, 80, 30)
    assert table["answer"].tolist() == texts
    assert table["no_answer_score"].tolist() == pytest.approx(differences, abs=1e-6)
    assert table["predicted"].tolist() == [""] * len(ITEMS)


def test_a_part_of_the_features_gives_the_predictions_of_that_part() -> None:
    features = _encoded()
    outputs = _outputs(features, 1)
    whole = SHORT.predictions(ITEMS, features, outputs, ())
    rows = features.of_items([2, 5])
    part = {name: ragged.take(rows) for name, ragged in outputs.items()}
    found = SHORT.predictions(ITEMS, features.take(rows), part, ())
    pd.testing.assert_frame_equal(found, whole.iloc[[2, 5]].reset_index(drop=True))


def test_scores_survive_the_result_tables(tmp_path: Path) -> None:
    features = _encoded()
    table = SHORT.predictions(ITEMS, features, _outputs(features, 2), ())
    table.to_parquet(tmp_path / "predictions.parquet")
    assert SHORT.score(pd.read_parquet(tmp_path / "predictions.parquet")) == SHORT.score(table)


def test_questions_to_be_answered_need_no_answers_and_theirs_are_not_looked_at() -> None:
    asked = [{"id": item["id"], "text": item["question"], "context": item["context"]} for item in ITEMS]
    ready = SHORT.unlabelled([*asked, {**ITEMS[1], "answers": "hidden"}], ())
    assert [item["question"] for item in ready[:-1]] == [item["question"] for item in ITEMS]
    assert all(item["answers"] == NONE for item in ready)
    with pytest.raises(DataError, match=r"item 1 .*there is no context; map a column to it"):
        SHORT.unlabelled([{"id": 1, "text": "Where?"}], ())


def test_a_submission_is_the_answer_of_every_question() -> None:
    features = _encoded()
    table = SHORT.predictions(ITEMS, features, _outputs(features), ())
    assert SHORT.submission(table, ()) == dict(zip(table["item"], table["predicted"], strict=True))


def test_questions_that_share_a_context_are_a_cluster_also_where_the_data_names_none() -> None:
    items = [{name: value for name, value in item.items() if name != "cluster"} for item in ITEMS]
    clusters = SHORT.predictions(items, _encoded(items=items), _outputs(_encoded(), 0), ())["cluster"]
    assert clusters.groupby(np.arange(9) // 3).nunique().tolist() == [1, 1, 1]
    assert clusters.nunique() == 3


def _logits(batch: int, width: int) -> Any:
    generator = torch.Generator().manual_seed(0)
    start, end = torch.randn(2, batch, width, generator=generator, dtype=torch.bfloat16)
    return SimpleNamespace(start_logits=start, end_logits=end)


def test_the_loss_is_the_mean_of_both_cross_entropies_summed_over_windows_without_padding() -> None:
    outputs = _logits(2, 4)
    batch = {"start_positions": torch.tensor([1, 0]), "end_positions": torch.tensor([2, 0])}
    loss = TASK.loss(outputs, batch)
    expected = 0.0
    for logits, targets in ((outputs.start_logits, [1, 0]), (outputs.end_logits, [2, 0])):
        for row, target in zip(logits.float().numpy(), targets, strict=True):
            expected += (np.log(np.exp(row).sum()) - row[target]) / 2
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(expected, rel=1e-6)
    padded = _logits(2, 4)
    padding = torch.full((2, 3), 50.0, dtype=torch.bfloat16)
    padded.start_logits, padded.end_logits = (
        torch.cat([part, padding], dim=1) for part in (padded.start_logits, padded.end_logits)
    )
    mask = torch.tensor([[1, 1, 1, 1, 0, 0, 0]] * 2)
    assert float(TASK.loss(padded, {**batch, "attention_mask": mask})) == pytest.approx(float(loss), rel=1e-6)


def test_a_split_holds_questions_with_and_without_answer_in_proportion() -> None:
    items = tiny_questions(30)
    split = split_for(TASK, Corpus("tiny", items, ""), SplitConfig(validation=0.5), 1)
    answerable = sum(bool(items[index]["answers"]["text"]) for index in split.validation)
    assert (len(split.validation), answerable) == (15, 10)


def test_training_without_any_answer_is_refused() -> None:
    split = Split(np.array([0, 3]), np.array([1, 2]), np.array([4]))
    with pytest.raises(DataError, match="no training question has an answer"):
        TASK.check_split(ITEMS, split, ())
    with pytest.raises(DataError, match="no question has an answer"):
        TASK.check([{**ITEMS[0], "answers": NONE}])
    with pytest.raises(DataError, match="there are no questions"):
        TASK.check([])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"question": " "}, r"item 2 \(question 'q1'\): its question is empty or not text"),
        ({"context": ""}, "its context is empty or not text"),
        ({"context": None}, "there is nothing in context"),
        ({"answers": None}, "it has no answers: lists `text` and `answer_start`"),
        ({"answers": {"text": ["bus"]}}, "it has no answers"),
        ({"answers": {"text": ["The"], "answer_start": []}}, "1 answers but 0 offsets"),
        ({"answers": {"text": ["payload"], "answer_start": [3]}}, r"'payload' is not at character 3 .*, ' power ' is"),
        ({"answers": {"text": [" "], "answer_start": [3]}}, "an answer must be text, got ' '"),
        ({"answers": {"text": ["bus"], "answer_start": [-1]}}, "a whole number of characters, got -1"),
        ({"answers": {"text": ["bus"], "answer_start": ["4"]}}, "a whole number of characters, got '4'"),
    ],
)
def test_a_question_that_cannot_be_used_is_named(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        TASK.check([ITEMS[0], {**ITEMS[1], **change}])


def test_a_question_that_leaves_no_room_for_its_context_is_refused() -> None:
    with pytest.raises(DataError, match=r"question 'q0': its \d+ tokens leave \d+ of max_length 40 .* stride 16"):
        _encoded(max_length=40)


def test_a_context_that_the_tokenizer_does_not_see_is_refused() -> None:
    with pytest.raises(DataError, match="question 'q1': the tokenizer finds no token in its context"):
        _encoded(items=[ITEMS[1], {**ITEMS[1], "context": "\x00\x01", "answers": NONE}][1:])


def test_tokenizers_without_a_first_cls_piece_are_refused() -> None:
    slow: Any = SimpleNamespace(is_fast=False, name_or_path="slow one")
    with pytest.raises(ValueError, match="slow one: question_answering needs a fast tokenizer"):
        TASK.encode(ITEMS, slow, (), 80)
    decoder: Any = SimpleNamespace(is_fast=True, name_or_path="decoder", cls_token_id=None, padding_side="left")
    with pytest.raises(ValueError, match="decoder: its tokenizer does not put a CLS token first"):
        TASK.encode(ITEMS, decoder, (), 80)


@pytest.mark.parametrize("options", [{"stride": -1}, {"n_best": 0}, {"max_answer_length": 0}, {"n_bset": 3}])
def test_an_option_out_of_range_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TASK.configured(options)
