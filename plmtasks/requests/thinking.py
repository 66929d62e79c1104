"""What a model thinks before it answers: by which texts that begins and ends."""

from dataclasses import dataclass

TAGS = {
    "<|channel|>final<|message|>": "<|channel|>analysis<|message|>", "<channel|>": "<|channel>thought",
    "<|inner_suffix|>": "<|inner_prefix|>", "<|END_THINKING|>": "<|START_THINKING|>",
    "<|end_of_thought|>": "<|begin_of_thought|>", "[/THINK]": "[THINK]", "◁/think▷": "◁think▷", "</seed:think>": "<seed:think>",
    "</longcat_think>": "<longcat_think>", "</thinking>": "<thinking>", "</thought>": "<thought>",
    "</reasoning>": "<reasoning>", "</think>": "<think>",
}  # fmt: skip
"""How models end their thinking → how they begin it: gpt-oss, Gemma, Apertus, Command A, OpenThinker, Magistral, Kimi, Seed-OSS,
LongCat, and all others. Of a template that has several, the first of these counts."""


@dataclass(frozen=True, kw_only=True)
class Thinking:
    """How thinking is told from the answer behind it."""

    end: str
    start: str = ""
    """Empty if nobody knows it."""
    always: bool = False
    """It is known to come before every answer, even where nothing begins it."""

    @classmethod
    def of(cls, reasoning: str, template: str | None) -> "Thinking | None":
        """How a model thinks; None: it does not.

        reasoning: the setting; template: the chat template that makes the prompt, None if another way does
        """
        if reasoning == "none" or (reasoning == "auto" and template is None):
            return None
        if reasoning == "auto":
            return next((cls(end=end, start=start) for end, start in TAGS.items() if end in (template or "")), None)
        start = TAGS.get(reasoning, reasoning.replace("/", "", 1))
        return cls(end=reasoning, start="" if start == reasoning else start, always=True)

    def begins(self, prompt: str) -> bool:
        """Whether what comes after the prompt is thought from the first letter on."""
        return self.always or (bool(self.start) and prompt.rstrip().endswith(self.start))

    def parted(self, text: str, begun: bool) -> tuple[str, str | None]:
        """What was thought, and what comes behind it; None: the thinking did not end.

        begun: whether it began before the text
        """
        thought, end, answer = text.partition(self.end)
        own = bool(self.start) and thought.lstrip().startswith(self.start)
        if not (end or own or begun):
            return "", text
        thought = thought.lstrip().removeprefix(self.start).strip()
        return thought, answer.lstrip() if end else None
