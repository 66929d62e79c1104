"""What is recommended, as text and for programs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from plmtasks.errors import printable
from plmtasks.execution import size

from .costs import count, number
from .recommendation import Advice, Candidate, Limits, shown


def _facts(c: Candidate) -> str:
    k = c.costs
    speed = f"{number(k.speed)} examples/s" if k.speed is not None else "speed unknown"
    memory = f"{'at most ' * k.bound}{size(k.memory)}" if k.memory is not None else "memory unknown"
    parameters = f"{count(k.parameters)} parameters" if k.parameters is not None else "parameters unknown"
    marks = [mark for mark in c.row.marks if mark not in c.row.details]
    how = f"{c.row.record['model']['family']}, {c.row.protocol}"
    return "; ".join([how, shown(c), speed, memory, parameters, *marks])


def _said(limits: Limits) -> str:
    said = [
        f"at most {count(limits.max_parameters)} parameters" if limits.max_parameters is not None else "",
        f"at least {number(limits.min_speed)} examples/s" if limits.min_speed is not None else "",
        f"at most {size(limits.max_memory)} of memory" if limits.max_memory is not None else "",
        " or ".join(limits.families),
    ]
    return ", ".join(s for s in said if s) or "none"


def as_text(advice: Advice) -> str:
    """The advice in lines, its reasons below each."""
    data, within = advice.board.record["data"], [c for c in advice.candidates if c.within]
    of = f"{data['examples']} of {data['total']}" if data["examples"] < data["total"] else f"{data['total']}"
    lines = [
        f"{advice.board.task}: {advice.board.rows[0].result.data}, split {data['split']}, {of} examples",
        f"limits: {_said(advice.limits)}; {len(within)} of {len(advice.candidates)} models within",
    ]
    if not advice.take:
        lines.append("no model is known to keep these limits")
    for i, (c, reasons) in enumerate(advice.take):
        lines += [f"{'or' if i else 'take'} {c.name}", f"  {_facts(c)}", *(f"  + {reason}" for reason in reasons)]
    more = [c for c in advice.front if c not in [taken for taken, _ in advice.take]]
    lines += _listed("no better score at less cost (the Pareto front beside these):", [f"{c.name}: {_facts(c)}" for c in more])
    lines += _listed("these data cannot decide:", advice.undecided)
    lines += _listed("not known to keep the limits:", [f"{c.name}: {'; '.join(c.unsure)}" for c in advice.candidates if c.unsure])
    lines += _listed(
        "beyond the limits:", [f"{c.name}: {'; '.join(c.beyond)}" for c in advice.candidates if c.beyond and not c.unsure]
    )
    lines += _listed("not compared:", advice.others)
    return "\n".join(printable(line) for line in lines) + "\n"


def _listed(title: str, items: Sequence[str]) -> list[str]:
    return [title, *(f"  - {item}" for item in items)] if items else []


def as_json(advice: Advice) -> str:
    """All that the text rests on."""
    taken = {id(c): list(reasons) for c, reasons in advice.take}

    def one(c: Candidate) -> Mapping[str, Any]:
        return {
            "model": c.row.result.model, "family": c.row.record["model"]["family"], "protocol": c.row.protocol,
            "identities": [r.identity for r in c.row.results], "score": dict(c.row.score(c.row.main)), "marks": c.row.marks,
            "ranks": c.row.ranks, "tier": c.row.tier, **asdict(c.costs), "within": c.within, "beyond": list(c.beyond),
            "unsure": list(c.unsure), "leader": c in advice.leaders, "front": c in advice.front, "take": id(c) in taken,
            "reasons": taken.get(id(c), []),
        }  # fmt: skip

    data = {k: advice.board.record["data"][k] for k in ("name", "split", "fingerprint", "examples", "total")}
    content = {
        "task": advice.board.task, "data": data, "primary_metric": list(advice.board.main), "limits": asdict(advice.limits),
        "models": [one(c) for c in advice.candidates], "undecided": list(advice.undecided), "not_compared": list(advice.others),
    }  # fmt: skip
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"
