"""What of a model's settings may run code that is not installed, or leads elsewhere."""

from typing import Any

from plmtasks.config import ModelSettings

SAFE_ARGS = ("attn_implementation", "device_map", "dtype", "max_memory", "torch_dtype")
"""Of `from_pretrained`, whose texts lead nowhere, but for kernels of the hub: "owner/name"."""
SAFE_IF = {
    "use_safetensors": True, "weights_only": True, "use_kernels": False, "allow_all_kernels": False, "trust_remote_code": False,
}  # fmt: skip
"""And those that are safe with one value alone. All other numbers and truth values are taken for the configuration's."""


def unsafe(settings: ModelSettings) -> list[str]:
    """Remote code, pickles, kernels of the hub, and texts, lists and objects that are not known to be harmless."""

    def harmless(name: str, value: Any) -> bool:
        if name in SAFE_IF:
            return value is SAFE_IF[name]
        return isinstance(value, (int, float)) or (name in SAFE_ARGS and "/" not in str(value))

    said = [f"{name}={value!r:.40}" for name, value in settings.model_args.items() if not harmless(name, value)]
    return [*(["trust_remote_code"] if settings.trust_remote_code else []), *said]
