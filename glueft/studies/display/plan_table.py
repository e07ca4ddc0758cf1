"""The tables of a study's plan."""

from __future__ import annotations

from typing import Any

from glueft.files import size
from glueft.system.console import Table
from glueft.terminal.tables import named_values, number_columns
from glueft.text import counted, duration


def study_plan_tables(plan: dict[str, Any]) -> tuple[Table, ...]:
    return recipe_table(plan), total_table(plan)


def recipe_table(plan: dict[str, Any]) -> Table:
    """Return a row for each recipe."""
    table = Table(title=f"{plan['name']}: runs", title_justify="left")
    table.add_column("recipe")
    table.add_column("starts from")
    number_columns(table, "settings", "to choose", "for the table", "steps", "a run", "all runs")
    for recipe in plan["recipes"]:
        times = ["", ""]
        if recipe["seconds"] is not None:
            shortest, longest = map(duration, recipe["run_seconds"])
            times = [shortest if shortest == longest else f"{shortest} to {longest}", duration(recipe["seconds"])]
        runs = [f"{recipe['runs'][stage]:,}" if recipe["runs"][stage] else "" for stage in ("search", "final")]
        if not recipe["runs"]["final"]:
            runs[1] = "the chosen"
        start = recipe["starts_from"] or ""
        table.add_row(recipe["name"], start, f"{recipe['settings']:,}", *runs, f"{recipe['steps']:,}", *times)
    return table


def total_table(plan: dict[str, Any]) -> Table:
    table = named_values("in all")
    table.add_row("runs", f"{counted(plan['runs'], 'run')}, {counted(plan['steps'], 'step')}")
    table.add_row("executor", f"{plan['executor']}: {plan['runs_at_once']}")
    if plan["seconds"] is not None:
        table.add_row("time", _time(plan["seconds"]))
    left = plan["left"]
    if left["runs"] < plan["runs"]:
        runs = f"{counted(left['runs'], 'run')}, {counted(left['steps'], 'step')}"
        table.add_row("left of it", runs if left["seconds"] is None else f"{runs}: {_time(left['seconds'])}")
    if plan["peak_memory_bytes"] is not None:
        at_once = min(plan["slots"] or 1, plan["runs"])
        table.add_row("memory", f"{size(plan['peak_memory_bytes'])} for {counted(at_once, 'run')} at once")
    disk = plan["disk"]
    free = "" if disk["free_bytes"] is None else f", {size(disk['free_bytes'])} free"
    most = "" if disk["most_bytes"] == disk["needed_bytes"] else f", at most {size(disk['most_bytes'])} on the way"
    few = ": too little" if disk["free_bytes"] is not None and disk["free_bytes"] < disk["needed_bytes"] else ""
    table.add_row("disk", f"{size(disk['needed_bytes'])} in {disk['folder']}{most}{free}{few}")
    table.add_row("estimated from", plan["basis"])
    return table


def _time(seconds: dict[str, Any]) -> str:
    whole = f"{_hours(seconds['total'])} of all runs together"
    return whole if seconds["wall"] is None else f"about {_hours(seconds['wall'])}; {whole}"


def _hours(seconds: float) -> str:
    return duration(seconds) if seconds < 3600 else f"{seconds / 3600:,.1f} hours"
