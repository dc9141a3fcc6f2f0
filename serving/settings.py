"""Settings: `headstart.toml`, then `HEADSTART__SECTION__KEY` in the environment on top.

What can be set, and the defaults. `settings_file` reads both and explains what is wrong.

Model names that clients insist on are mapped by `[aliases]`, a table from a glob to `auto`,
`fast`, `deep` or `provider/model`; the first match in the order of the file wins. Built in and
asked after the user's own: `gpt-*`, `chatgpt-*`, `codex-*`, `o1*`, `o3*`, `o4*`, `claude-*` and
`gemini-*` mean `auto` (router/names.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from typing_extensions import override

from classifier.assessment import TASKS, Task
from classifier.prototypes import MIN_EXAMPLES, Described
from models.chat import Merge
from router.chain import Order
from router.gate import USUAL, Bar


class Section(BaseModel):
    """A table of the file: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ClientKeySettings(Section):
    """A client's key, written as a table or as the key alone.

    `merge`: how its answers merge where a request does not say. `revise` counts as asked for: who
    writes it here knows that this client can take text back.
    """

    key: SecretStr = Field(min_length=1)
    merge: Merge | None = None

    @model_validator(mode="before")
    @classmethod
    def _key_alone(cls, value: Any) -> Any:
        if isinstance(value, str) and value.startswith("{"):
            raise ValueError('a table is written as JSON there: {"key": "…", "merge": "thinking"}')
        # A variable of digits only comes from the environment as a number.
        return {"key": str(value)} if isinstance(value, str) or type(value) is int else value


class ServerSettings(Section):
    """Where clients reach us."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    client_keys: dict[str, ClientKeySettings] = Field(default_factory=dict[str, ClientKeySettings])
    max_body_mb: float = Field(default=24.0, gt=0)


class FastSettings(Section):
    """The local engine: started by us (`model`), or attached to (`url`, an OpenAI /v1 address)."""

    model: str | None = None  # hub id, folder, or "demo"; None: what fits this machine
    url: str | None = None
    api_key_env: str | None = None
    max_model_len: int | None = None
    extra_args: list[str] = Field(default_factory=list[str])  # passed to vLLM as they are


def _checked_examples(examples: list[str]) -> list[str]:
    if len({text.strip() for text in examples} - {""}) < MIN_EXAMPLES:
        raise ValueError(f"it needs {MIN_EXAMPLES} different examples")
    return examples


def _checked_new_task(name: str) -> str:
    if name in TASKS:
        raise ValueError(f"`{name}` is built in: give your task another name")
    if not name.isidentifier():
        raise ValueError(f"`{name}`: the name of a task has letters, digits and _")
    return name


NewTaskName: TypeAlias = Annotated[str, AfterValidator(_checked_new_task)]


Threshold: TypeAlias = Annotated[float, Field(ge=0.0, le=1.0)]


class UserTaskSettings(Section):
    """A task of one's own: prompts like the examples belong to it, without any training.

    `like`: the built-in task whose order and bars hold for it; unset: the one that the examples look like.
    """

    examples: Annotated[list[str], AfterValidator(_checked_examples)]
    like: Task | None = None


class ClassifierSettings(Section):
    """Who judges: "embedding", or a model on vLLM (started by us or attached to by `url`)."""

    model: str | None = None  # None: Qwen2.5-3B on a GPU, else "embedding"
    url: str | None = None
    api_key_env: str | None = None
    # P(fast is good enough) from which the fast tier answers; see classifier/data/report.md
    threshold: Threshold = 0.75
    thresholds: dict[str, Threshold] = Field(default_factory=dict[str, Threshold])
    second_look: bool = True  # the draft's first sentence moves the chance that the prompt gave
    head: Path | None = None  # a head that `tune --retrain` wrote; None: the shipped one
    tuned: Path = Path("headstart.tuned.toml")  # what `tune --apply` writes; in force while there
    drafts: Path = Path("headstart.draft.json")  # the judge of drafts that `tune --retrain` writes
    tasks: dict[NewTaskName, UserTaskSettings] = Field(
        default_factory=dict[NewTaskName, UserTaskSettings]
    )

    @property
    def described(self) -> tuple[Described, ...]:
        """The user's own tasks, as the classifier takes them."""
        return tuple(
            Described(name=name, examples=tuple(task.examples), like=task.like)
            for name, task in self.tasks.items()
        )


def _checked_name(name: str) -> str:
    provider, slash, model = name.partition("/")
    if not (provider and slash and model):
        raise ValueError(f"`{name}` must be written as provider/model")
    return name


def _checked_order(order: Any) -> Any:
    """Refuse with a sentence what is not made of names and of lists of names that are equals."""
    if not isinstance(order, list):
        raise ValueError("it is a list of names")
    for entry in cast("list[Any]", order):
        group = cast("list[Any]", entry) if isinstance(entry, list) else [entry]
        if not group:
            raise ValueError("an empty list in it names no equals")
        for name in group:
            if not isinstance(name, str):
                raise ValueError("it is a list of names, and of lists of names that are equals")
            _checked_name(name)
    return cast("Any", order)


Preferences: TypeAlias = Annotated[list[str | list[str]], BeforeValidator(_checked_order)]


class WeightSettings(Section):
    """Exponents of what spreads requests among equals; 0 leaves a measure out (router.weights)."""

    latency: float = Field(default=1.0, ge=0, le=10)
    errors: float = Field(default=1.0, ge=0, le=10)
    price: float = Field(default=1.0, ge=0, le=10)


class DeepSettings(Section):
    """Hosted models in order of preference, and other orders per task.

    A list in the place of a name is of equals: requests are spread among them by weight.
    """

    order: Preferences = Field(
        default_factory=lambda: [
            "anthropic/claude-sonnet-5-5",
            "gemini/gemini-4-argon",
            "deepseek/deepseek-v4-pro",
        ]
    )
    tasks: dict[str, Preferences] = Field(default_factory=dict[str, Preferences])
    weights: WeightSettings = WeightSettings()
    hedge: bool = False  # ask the next model too when one is slower than its own 95th percentile
    stand_in: bool = True  # without any key, let the local engine play the hosted models

    @property
    def preferred(self) -> Order:
        """The general order, as the policy takes it."""
        return _order(self.order)

    @property
    def preferred_for(self) -> dict[str, Order]:
        """The orders of tasks."""
        return {task: _order(order) for task, order in self.tasks.items()}


def _order(entries: Preferences) -> Order:
    return tuple(entry if isinstance(entry, str) else tuple(entry) for entry in entries)


class ProviderSettings(Section):
    """An upstream. The well-known ones are built in; any field can be overridden."""

    dialect: Literal["anthropic", "gemini", "openai", "responses"] | None = None
    base_url: str | None = None
    api_key_env: str | None = None
    headers: dict[str, str] = Field(default_factory=dict[str, str])


class ModelSettings(Section):
    """A card for a model that the catalogue lacks, or corrections to one that it has."""

    window: int | None = None
    max_output: int | None = None
    prefill: bool | None = None
    tools: bool | None = None
    vision: bool | None = None
    json_schema: bool | None = None
    sampling: bool | None = None
    input_usd_per_mtok: float | None = None
    output_usd_per_mtok: float | None = None
    equals: list[str] | None = None


class BarSettings(Section):
    """How sure of its first sentence a draft of one task must be; unset: as for all others."""

    min_mean_logprob: float | None = Field(default=None, le=0)
    min_logprob: float | None = Field(default=None, le=0)


class RelaySettings(Section):
    """How draft and upgrade merge, and which draft may be shown (`-inf` shows every one)."""

    merge: Merge = "continue"
    early_tokens: int = Field(default=8, ge=0)  # see router.policy.sure_early; 0: a whole sentence
    # Natural-log probabilities over the first sentence: a draft under one of them is never shown.
    min_mean_logprob: float = Field(default=USUAL.mean, le=0)
    min_logprob: float = Field(default=USUAL.minimum, le=0)  # of its least likely token
    tasks: dict[str, BarSettings] = Field(default_factory=dict[str, BarSettings])
    continue_instruction: str | None = None  # replaces the built-in sentence

    @property
    def bar(self) -> Bar:
        """What every draft must reach."""
        return Bar(mean=self.min_mean_logprob, minimum=self.min_logprob)

    @property
    def bars(self) -> dict[str, Bar]:
        """What those of some tasks must reach instead."""
        return {
            task: Bar(
                mean=_either(own.min_mean_logprob, self.min_mean_logprob),
                minimum=_either(own.min_logprob, self.min_logprob),
            )
            for task, own in self.tasks.items()
        }


def _either(own: float | None, general: float) -> float:
    return general if own is None else own


class DeadlineSettings(Section):
    """Seconds; see router.deadline.Deadlines. `fast_first_token` depends on the engine if unset."""

    fast_first_token: float | None = Field(default=None, gt=0)
    classifier: float = Field(default=0.05, gt=0)
    connect: float = Field(default=2.0, gt=0)
    deep_first_sentence: float = Field(default=15.0, gt=0)
    stall: float = Field(default=3.0, gt=0)
    grace: float = Field(default=1.0, gt=0)
    request: float = Field(default=300.0, gt=0)


class OutcomeSettings(Section):
    """Where outcomes are kept. Prompts are stored only when asked for."""

    path: Path = Path("headstart.db")
    store_prompts: bool = False


class ExperimentSettings(Section):
    """Another threshold, tried on a share of conversations; see router.learning.experiment."""

    threshold: Threshold
    share: float = Field(default=0.2, gt=0, le=1)


class LearningSettings(Section):
    """What is learned from traffic beside feedback; see router.learning.shadow.

    Off unless set, since a comparison asks a paid model whose answer no client gets.
    """

    shadow_rate: float = Field(default=0.0, ge=0, le=1)  # share of fast answers to compare
    shadow_budget_usd: float = Field(default=1.0, ge=0)  # a day (UTC)
    judge: Annotated[str, AfterValidator(_checked_name)] | None = None  # else the deep model itself
    experiment: ExperimentSettings | None = None


AnySection = TypeVar("AnySection", ClassifierSettings, DeepSettings, RelaySettings)


class Settings(BaseSettings):
    """Everything that can be configured."""

    model_config = SettingsConfigDict(
        env_prefix="HEADSTART__", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    server: ServerSettings = ServerSettings()
    fast: FastSettings = FastSettings()
    classifier: ClassifierSettings = ClassifierSettings()
    deep: DeepSettings = DeepSettings()
    providers: dict[str, ProviderSettings] = Field(default_factory=dict[str, ProviderSettings])
    models: dict[str, ModelSettings] = Field(default_factory=dict[str, ModelSettings])
    aliases: dict[str, str] = Field(default_factory=dict[str, str])  # glob -> model name
    relay: RelaySettings = RelaySettings()
    deadlines: DeadlineSettings = DeadlineSettings()
    outcomes: OutcomeSettings = OutcomeSettings()
    learning: LearningSettings = LearningSettings()

    @field_validator("classifier", "deep", "relay")
    @classmethod
    def _names_tasks(cls, section: AnySection, info: ValidationInfo) -> AnySection:
        """What is set per task names a built-in task or one of the user's own."""
        classifier = section if isinstance(section, ClassifierSettings) else None
        classifier = classifier or info.data.get("classifier")
        if classifier is None:
            return section  # it is wrong itself, and that is told first
        tasks = (*TASKS, *classifier.tasks)
        table = "thresholds" if section is classifier else "tasks"
        for name in getattr(section, table):
            if name not in tasks:
                message = "`{task}` is not a task; the tasks are {tasks}"
                told = {"task": name, "tasks": ", ".join(tasks), "below": (table, name)}
                raise PydanticCustomError("unknown_task", message, told)
        return section

    @classmethod
    @override
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment over file (the file's content comes in as init values)."""
        return env_settings, init_settings
