"""A dataflow as text: each step with its inputs, its columns and the SQL that it runs."""

from __future__ import annotations

from dataclasses import fields

from ssql.planner.relation import Relation
from ssql.planner.steps import QueryPlan, Statement, Step


def dataflow_text(plan: QueryPlan) -> str:
    """All steps of a plan, in the order they run."""
    return "\n".join(line for step in plan.steps for line in _step_lines(step))


def _step_lines(step: Step) -> list[str]:
    inputs = f" <- {', '.join(step.inputs)}" if step.inputs else ""
    lines = [f"{step.id}: {_words(type(step).__name__)}{inputs}"]
    for field in fields(step):
        value = getattr(step, field.name)
        if field.name in ("id", "inputs", "schema") or value is None or value == ():
            continue
        if isinstance(value, Relation):
            lines.append(f"    {field.name}: {value.name} (topic {value.topic})")
        elif isinstance(value, Statement):
            lines += [f"    {field.name}:", *(f"        {line}" for line in value.sql.strip().splitlines())]
        else:
            lines.append(f"    {field.name}: {_plain(value)}")
    lines.append(f"    columns: {step.schema}")
    return lines


def _words(name: str) -> str:
    """StreamTableJoin as `stream table join`."""
    return "".join(f" {c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


def _plain(value: object) -> str:
    return ", ".join(map(_plain, value)) if isinstance(value, tuple) else str(value)
