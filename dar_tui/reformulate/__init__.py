"""Reformulation: the dialogue into query text (R1) and diffusion prompts (R2), by rules or by a language model.

`query` holds R1 and `prompts` R2, both by rules; `model` does both by a language model under the check of `facts`.
"""

from dar_tui.reformulate.model import LanguageReformulator
from dar_tui.reformulate.prompts import prompts
from dar_tui.reformulate.query import WORD_BUDGET, QueryStrategy, QueryText, query_text, structure, summarise, write
from dar_tui.reformulate.rules import Reformulation, Reformulator, RuleReformulator

__all__ = [
    "WORD_BUDGET",
    "LanguageReformulator",
    "QueryStrategy",
    "QueryText",
    "Reformulation",
    "Reformulator",
    "RuleReformulator",
    "prompts",
    "query_text",
    "structure",
    "summarise",
    "write",
]
