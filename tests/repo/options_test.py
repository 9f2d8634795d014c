"""Every option of `train` and of `eval`, as --help lists them, has a test that names it and that its
value changes what comes out: the tables say which test, and its body must hold the words."""

import re
import subprocess
import sys
import unittest

from repository import root

CLI, FAKE = "tests/cli/", "tests/train/"
E2E, BENCH = CLI + "test_eval_options.py", CLI + "test_eval_bench.py"
TRAINED = FAKE + "options_test.cpp"
KEPT = (CLI + "test_train.py", "test_a_store_outlives_another_query_side")
HEADS = (TRAINED, "HeadsNHeadsMaxLayerAndChooseDecideTheHeads")
SHAPE = (TRAINED, "LatentsKStepsSeedAndChunkShapeTheAutoencoders")
QUERY = (TRAINED, "QueryStepsNegativesAndModelQuestionsTrainTheQuerySide")
SECOND = (FAKE + "context_heads_test.cpp", "EveryOptionOfTheChoiceChangesIt")
# Option: file, test, and the word that stands for the option in its body (by default itself).
TRAIN = {
    "--corpus": (CLI + "test_train.py", "test_bad_input"),
    "--out": (CLI + "test_train.py", "test_sweep"),
    "--work": KEPT,
    "--keep-work": KEPT,
    "--heads": (*HEADS, "o.heads ="),
    "--n-heads": (*HEADS, "o.n_heads ="),
    "--max-layer": (*HEADS, "o.max_layer ="),
    "--choose": (*HEADS, "o.choice ="),
    "--cloze-pairs": (TRAINED, "ClozePairsAreSoMany", "o.cloze_pairs ="),
    "--latents": (*SHAPE, "o.latents ="),
    "--k": (*SHAPE, "o.k ="),
    "--sae-steps": (*SHAPE, "o.sae_steps ="),
    "--sae-patience": (TRAINED, "SaePatienceEndsEarly", "o.sae_patience ="),
    "--sae-tokens": (TRAINED, "SaeTokensIsACapAndKeepsTheMixture", "options.sae_tokens ="),
    "--sae": (FAKE + "resume_test.cpp", "GivenAutoencodersAreUsedAndChecked", "sae_dir ="),
    "--sweep": (CLI + "test_train.py", "test_sweep"),
    "--query-steps": (*QUERY, "o.query_steps ="),
    "--negatives": (*QUERY, "o.negatives ="),
    "--model-questions": (*QUERY, "o.model_questions ="),
    "--context-heads": (*SECOND, "o.heads ="),
    "--context-questions": (*SECOND, "o.questions ="),
    "--context-units": (*SECOND, "o.units ="),
    "--context-max-layer": (*SECOND, "o.max_layer ="),
    "--context-keep-sentence": (*SECOND, "o.keep_sentence ="),
    "--context-heads-only": (CLI + "test_train.py", "test_every_option_reaches_the_run"),
    "--fusion-questions": (CLI + "test_adapters.py", "test_weights_are_fitted"),
    "--keep-heads": (CLI + "test_adapters.py", "test_the_best_heads_make_a_smaller"),
    "--dump": (CLI + "test_train.py", "test_the_page_on_the_format_encodes_what_the_program"),
    "--seed": (*SHAPE, "o.seed ="),
}
RANKING = (E2E, "test_scoring_max_features_and_rounds")
SCOPE = (E2E, "test_limit_seed_methods_baseline_and_budgets")
FILES = (E2E, "test_format_offsets_haystack_and_extra")
ASKED = (E2E, "test_answers_likelihood_length_and_parallel")
SECOND_STAGE = (E2E, "test_the_second_stage")
PAIR = (BENCH, "test_compare_runs_of_two_adapters")
SHARED = {
    "--scoring": RANKING,
    "--max-features": RANKING,
    "--rounds": RANKING,
    "--round-query": RANKING,
    "--round-weight": RANKING,
    "--format": FILES,
    "--offsets": (CLI + "test_eval.py", "test_offsets_in_characters"),
    "--haystack": FILES,
    "--limit": SCOPE,
    "--seed": SCOPE,
    "--data": (CLI + "test_eval.py", "test_questions_from_a_pipe", "data="),
    "--index": (E2E, "test_index_and_memory"),
}
RETRIEVAL = {
    **SHARED,
    "--qrels": (BENCH, "test_beir_folder_and_trec_files_as_pytrec_eval_reads_them"),
    "--extra": FILES,
    "--methods": (*SCOPE, "methods="),
    "--baseline": SCOPE,
    "--budgets": SCOPE,
    "--out": (CLI + "test_eval.py", "test_runs_side_by_side_share_indexes", "out="),
    "--embedder": (E2E, "test_a_finished_run_is_not_taken_for_another"),
    "--memory": (E2E, "test_index_and_memory"),
    "--rerank": SECOND_STAGE,
    "--rerank-model": SECOND_STAGE,
    "--rerank-adapter": SECOND_STAGE,
}
ANSWERS = {
    **SHARED,
    "--haystack": (E2E, "test_a_finished_run_is_not_taken_for_another"),
    "--task": (CLI + "test_eval_answers.py", "test_longbench_tasks_and_joined_runs"),
    "--max-answer": ASKED,
    "--methods": (*ASKED, "methods="),
    "--budgets": (E2E, "test_answers_rerank_and_idle_options"),
    "--baseline": SCOPE,
    "--rerank": (E2E, "test_answers_rerank_and_idle_options"),
    "--chat-template": (CLI + "test_eval_answers.py", "test_the_chat_template_is_recorded"),
    "--no-likelihood": (*ASKED, "nll"),
    "--may-withhold": (CLI + "test_eval_answers.py", "test_every_method_of_a_file_of_ones_own"),
    "--parallel": ASKED,
    "--embedder": (E2E, "test_a_finished_run_is_not_taken_for_another"),
    "--memory": (E2E, "test_index_and_memory"),
    "--out": (CLI + "test_eval_answers.py", "test_longbench_tasks_and_joined_runs", "out="),
}
QUOTES = {
    **{name: SHARED[name] for name in ("--scoring", "--max-features", "--rounds", "--round-query",
                                       "--round-weight", "--offsets", "--seed")},
    **{name: (E2E, "test_quotes") for name in ("--data", "--format", "--haystack", "--limit",
                                               "--from", "--budget", "--rows", "--features",
                                               "--index")},
}
SCORE = {
    "--task": (BENCH, "test_no_answer_is_scored_without_what_its_metric_needs"),
    "--compare": (CLI + "test_eval_answers.py", "test_score"),
    "--rows": (CLI + "test_eval_bench.py", "test_rows_are_the_scores_one_a_line"),
}
COMPARE = {
    "--metric": PAIR,
    "--method-a": PAIR,
    "--method-b": PAIR,
    "--task": (BENCH, "test_compare_files_question_by_question"),
    "--seed": (BENCH, "test_compare_files_question_by_question"),
}
REPORT = {
    "--out": (E2E, "test_report_compare_and_quotes_say_what_does_nothing"),
    "--questions": (E2E, "test_report_compare_and_quotes_say_what_does_nothing"),
    "--markdown": (E2E, "test_report_compare_and_quotes_say_what_does_nothing"),
}
TABLES = {"train": TRAIN, "eval retrieval": RETRIEVAL, "eval answers": ANSWERS,
          "eval quotes": QUOTES, "eval score": SCORE, "eval compare": COMPARE,
          "eval report": REPORT}


def options_of(command):
    """The options that the command's own --help lists before those of every command."""
    done = subprocess.run([PROGRAM, *command.split(), "--help"], capture_output=True, text=True,
                          check=True)
    own = done.stdout.split("Options of every command:")[0]
    return set(re.findall(r"^  (?:-\w,)?(--[a-z0-9-]+)", own, re.M)) - {"--help"}


def body_of(path, name):
    """The text of a test, by the beginning of its name; nothing where there is none."""
    text = (root() / path).read_text("utf-8")
    if path.endswith(".py"):
        found = re.search(rf"^    def {name}\w*\(.*?(?=^    (?:def|@)|^\S|\Z)", text, re.S | re.M)
    else:
        found = re.search(rf"^TEST(?:_F|_P)?\(\w+,\s*{name}\w*\).*?(?=^TEST|\Z)", text, re.S | re.M)
    return found[0] if found else ""


class Options(unittest.TestCase):
    def test_every_option_has_a_test_that_names_it(self):
        for command, table in TABLES.items():
            there = options_of(command)
            self.assertGreater(len(there), 2, command)
            self.assertEqual(sorted(there - set(table)), [], f"{command}: no test is named for these")
            self.assertEqual(sorted(set(table) - there), [], f"{command} has no such options")
            for option, (path, test, *word) in table.items():
                body = body_of(path, test)
                self.assertTrue(body, f"{command} {option}: {path} has no test {test}")
                self.assertIn(word[0] if word else option, body, f"{command} {option}: {path} {test}")

    def test_an_option_without_a_test_is_found(self):
        self.assertEqual(body_of(E2E, "test_nothing_like_this"), "")
        self.assertNotIn("--gold", options_of("eval retrieval"))
        self.assertIn("--qrels", options_of("eval retrieval"))
        self.assertNotIn("--json", options_of("train"))


PROGRAM = sys.argv[2]
if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
