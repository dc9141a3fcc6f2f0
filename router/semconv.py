"""Every name that traces and metrics use: OpenTelemetry's for generative AI, and our own.

The GenAI conventions are still "Development" and were moving when this was written (November
2026: `gen_ai.client.inference.*` is proposed in place of `gen_ai.client.operation.*`), so a rename
there is a change of this file alone. Ours begin with `headstart.`.
"""

from __future__ import annotations

from typing import Final

SCOPE: Final = "headstart"

# -- attributes: github.com/open-telemetry/semantic-conventions-genai, docs/gen-ai ----------------
OPERATION_NAME: Final = "gen_ai.operation.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_STREAM: Final = "gen_ai.request.stream"
RESPONSE_ID: Final = "gen_ai.response.id"
RESPONSE_MODEL: Final = "gen_ai.response.model"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS: Final = "gen_ai.usage.cache_creation.input_tokens"
REASONING_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105
ERROR_TYPE: Final = "error.type"
HTTP_STATUS: Final = "http.response.status_code"

CHAT: Final = "chat"
# Values that the conventions fix for `gen_ai.provider.name`; other providers keep our name.
PROVIDERS: Final = {"gemini": "gcp.gemini", "mistral": "mistral_ai"}

# -- attributes of ours ---------------------------------------------------------------------------
DIALECT: Final = "headstart.dialect"
ROUTE: Final = "headstart.route"
BECAUSE: Final = "headstart.because"
TASK: Final = "headstart.task"
P_FAST: Final = "headstart.p_fast"
THRESHOLD: Final = "headstart.threshold"
CLASSIFIER: Final = "headstart.classifier"
MERGE: Final = "headstart.merge"
FINISH: Final = "headstart.finish"
LEG_ROLE: Final = "headstart.leg.role"
LEG_OPENED_BECAUSE: Final = "headstart.leg.opened_because"
STANDS_IN_FOR: Final = "headstart.leg.stands_in_for"
USAGE_ESTIMATED: Final = "headstart.usage.estimated"
COST_USD: Final = "headstart.cost_usd"
SAVED_USD: Final = "headstart.saved_usd"
HANDOVER_REASON: Final = "headstart.handover.reason"
EXPERIMENT: Final = "headstart.experiment"
FEEDBACK_KIND: Final = "headstart.feedback.kind"
VERDICT: Final = "headstart.comparison.verdict"

# -- metrics --------------------------------------------------------------------------------------
CLIENT_DURATION: Final = "gen_ai.client.operation.duration"
CLIENT_TIME_TO_FIRST_CHUNK: Final = "gen_ai.client.operation.time_to_first_chunk"
CLIENT_TOKEN_USAGE: Final = "gen_ai.client.token.usage"  # noqa: S105
SERVER_DURATION: Final = "gen_ai.server.request.duration"
SERVER_TIME_TO_FIRST_TOKEN: Final = "gen_ai.server.time_to_first_token"  # noqa: S105
REQUESTS: Final = "headstart.requests"
HANDOVERS: Final = "headstart.handovers"
COST: Final = "headstart.cost_usd"
SAVED: Final = "headstart.saved_usd"
CLASSIFIER_DURATION: Final = "headstart.classifier.duration"
FEEDBACK: Final = "headstart.feedback"
COMPARISONS: Final = "headstart.comparisons"
COMPARISONS_COST: Final = "headstart.comparisons.cost_usd"
OUTCOMES_STORED: Final = "headstart.outcomes.stored"
OUTCOMES_DROPPED: Final = "headstart.outcomes.dropped"

# Bucket boundaries, as the conventions advise them.
SECONDS: Final = (
    0.01,
    0.02,
    0.04,
    0.08,
    0.16,
    0.32,
    0.64,
    1.28,
    2.56,
    5.12,
    10.24,
    20.48,
    40.96,
    81.92,
)
FIRST_TOKEN_SECONDS: Final = (
    0.001,
    0.005,
    0.01,
    0.02,
    0.04,
    0.06,
    0.08,
    0.1,
    0.25,
    0.5,
    0.75,
    1.0,
    2.5,
    5.0,
    7.5,
    10.0,
)
TOKENS: Final = tuple(4**power for power in range(14))
