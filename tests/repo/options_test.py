"""Every option of `train` and of `eval` has a test that its value changes what comes out: this list
says which, and that the list is whole."""

import re
import sys
import unittest

from repository import root

TRAIN = {
    "--corpus": ("tests/cli/test_train.py", "test_bad_input"),
    "--out": ("tests/cli/test_train.py", "test_sweep"),
    "--work": ("tests/cli/test_train.py", "test_a_store_outlives_another_query_side"),
    "--keep-work": ("tests/cli/test_train.py", "test_a_store_outlives_another_query_side"),
    "--heads": ("tests/train/options_test.cpp", "HeadsNHeadsMaxLayerAndChooseDecideTheHeads"),
    "--n-heads": ("tests/train/options_test.cpp", "HeadsNHeadsMaxLayerAndChooseDecideTheHeads"),
    "--max-layer": ("tests/train/options_test.cpp", "HeadsNHeadsMaxLayerAndChooseDecideTheHeads"),
    "--choose": ("tests/train/options_test.cpp", "HeadsNHeadsMaxLayerAndChooseDecideTheHeads"),
    "--cloze-pairs": ("tests/train/options_test.cpp", "ClozePairsAreSoMany"),
    "--latents": ("tests/train/options_test.cpp", "LatentsKStepsSeedAndChunkShape"),
    "--k": ("tests/train/options_test.cpp", "LatentsKStepsSeedAndChunkShape"),
    "--sae-steps": ("tests/train/options_test.cpp", "LatentsKStepsSeedAndChunkShape"),
    "--sae-patience": ("tests/train/options_test.cpp", "SaePatienceEndsEarly"),
    "--sae-tokens": ("tests/train/options_test.cpp", "SaeTokensIsACapAndKeepsTheMixture"),
    "--sae": ("tests/train/resume_test.cpp", "GivenAutoencodersAreUsedAndChecked"),
    "--sweep": ("tests/train/resume_test.cpp", "SweepReusesHeadsAndKeysAndTrainsTheBest"),
    "--query-steps": ("tests/train/options_test.cpp", "QueryStepsNegativesAndModelQuestions"),
    "--negatives": ("tests/train/options_test.cpp", "QueryStepsNegativesAndModelQuestions"),
    "--model-questions": ("tests/train/options_test.cpp", "QueryStepsNegativesAndModelQuestions"),
    "--context-heads": ("tests/train/context_heads_test.cpp", "TEST"),
    "--context-questions": ("tests/train/context_heads_test.cpp", "options.questions"),
    "--context-units": ("tests/train/context_heads_test.cpp", "options.units"),
    "--context-max-layer": ("tests/train/context_heads_test.cpp", "max_layer"),
    "--context-keep-sentence": ("tests/train/context_heads_test.cpp", "keep_sentence"),
    "--context-heads-only": ("tests/train/context_heads_test.cpp", "TEST"),
    "--keep-heads": ("tests/cli/test_adapters.py", "test_the_best_heads_make_a_smaller"),
    "--fusion-questions": ("tests/cli/test_adapters.py", "test_weights_are_fitted"),
    "--dump": ("tests/cli/test_train.py", "test_the_page_on_the_format_encodes"),
    "--seed": ("tests/train/options_test.cpp", "LatentsKStepsSeedAndChunkShape"),
}
SHARED = {  # options of ranking: what they do to scores is tested where scores are made
    "--scoring": ("tests/retrieve/score_eq7_test.cpp", "TEST"),
    "--max-features": ("tests/retrieve/feature_choice_test.cpp", "TEST"),
    "--rounds": ("tests/cli/test_eval.py", "test_a_second_round_brings_in"),
    "--round-query": ("tests/cli/test_eval.py", "--round-query"),
    "--round-weight": ("tests/cli/test_eval.py", "--round-weight"),
    "--embedder": ("tests/cli/test_eval.py", "--embedder"),
    "--memory": ("tests/eval/methods_test.cpp", "TEST"),
    "--rerank": ("tests/retrieve/rerank_test.cpp", "TEST"),
    "--rerank-model": ("tests/engine/rerank_test.cpp", "TEST"),
    "--rerank-adapter": ("tests/engine/rerank_test.cpp", "TEST"),
}
EVAL = {
    "--data": ("tests/cli/test_eval.py", "test_questions_from_a_pipe"),
    "--format": ("tests/eval/datasets_test.cpp", "format"),
    "--offsets": ("tests/cli/test_eval.py", "test_offsets_in_characters"),
    "--haystack": ("tests/cli/test_eval.py", "test_rounds_pooled_and_threads"),
    "--extra": ("tests/eval/datasets_test.cpp", "extra"),
    "--qrels": ("tests/cli/test_eval_bench.py", "test_beir_folder_and_trec_files"),
    "--limit": ("tests/cli/test_eval.py", "test_rounds_pooled_and_threads"),
    "--seed": ("tests/eval/datasets_test.cpp", "seed"),
    "--methods": ("tests/cli/test_eval.py", "test_every_method_and_its_record"),
    "--baseline": ("tests/cli/test_eval.py", "Difference to hybrid"),
    "--budgets": ("tests/cli/test_eval.py", "test_kill_nine_and_resume"),
    "--out": ("tests/cli/test_eval.py", "test_runs_side_by_side_share_indexes"),
    "--index": ("tests/cli/test_eval.py", "test_runs_side_by_side_share_indexes"),
    "--task": ("tests/cli/test_eval_answers.py", "test_longbench_tasks_and_joined_runs"),
    "--max-answer": ("tests/cli/test_eval_answers.py", "--max-answer"),
    "--no-likelihood": ("tests/cli/test_eval_answers.py", "--no-likelihood"),
    "--may-withhold": ("tests/cli/test_eval_answers.py", "test_every_method_of_a_file"),
    "--parallel": ("tests/cli/test_eval_answers.py", "--parallel"),
    "--chat-template": ("tests/cli/test_eval_answers.py", "test_the_chat_template_is_recorded"),
    "--compare": ("tests/cli/test_eval_answers.py", "--compare"),
    "--rows": ("tests/eval/metrics_parity.py", "--rows"),
    "--questions": ("tests/eval/report_test.cpp", "questions"),
    "--markdown": ("tests/cli/test_eval_answers.py", "--markdown"),
    "--metric": ("tests/cli/test_eval_bench.py", "test_compare_runs_of_two_adapters"),
    "--method-a": ("tests/cli/test_eval_bench.py", "test_compare_runs_of_two_adapters"),
    "--method-b": ("tests/cli/test_eval_bench.py", "test_compare_runs_of_two_adapters"),
    **SHARED,
}


def options_of(command):
    """The options that docs/cli.md, which is made from --help, lists under a command."""
    text = (root() / "docs/cli.md").read_text("utf-8")
    section = re.search(rf"^#+ s3attn {command}\n(.*?)(?=^#+ s3attn |\Z)", text, re.S | re.M)
    if section is None:
        return None
    own = section[1].split("Options of every command:")[0]
    return set(re.findall(r"^  (?:-\w,)?(--[a-z0-9-]+)", own, re.M)) - {"--help"}


class Options(unittest.TestCase):
    def check(self, table, commands):
        there = set()
        for command in commands:
            found = options_of(command)
            self.assertTrue(found, f"docs/cli.md has no options of {command}")
            there |= found
        self.assertEqual(sorted(there - set(table)), [], "no test is named for these")
        self.assertEqual(sorted(set(table) - there), [], "there are no such options")
        for option, (path, words) in table.items():
            there = words in (root() / path).read_text("utf-8")
            self.assertTrue(there, f"{option}: {path} has no {words}")

    def test_train(self):
        self.check(TRAIN, ["train"])

    def test_eval(self):
        self.check(EVAL, ["eval retrieval", "eval answers", "eval score", "eval compare",
                          "eval report"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
