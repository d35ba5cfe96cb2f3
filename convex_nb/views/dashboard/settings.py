"""Settings: environment variables, authentication providers, backup, pause."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from convex_nb.deployment.files.preview import size_text
from convex_nb.language.errors import InvalidValueError
from convex_nb.views.dashboard.blocks import Block, Card, Line, bar, button, cards, field, form, grid
from convex_nb.views.dashboard.page import Page


class Settings(Page):
    """What a deployment is, and what can be set about it."""

    name: ClassVar[str] = "settings"

    def follow(self) -> None:
        self.on_commits("_environment", "_auth_providers")
        self._seen: object = None

    def has_moved(self) -> bool:
        return self._now() != self._seen

    def _now(self) -> object:
        deployment = self.deployment
        return deployment.paused, deployment.path, deployment.server

    def blocks(self) -> Iterable[Block]:
        self._seen = self._now()
        deployment = self.deployment
        yield cards("cards", self._cards())
        if deployment.paused:
            yield bar("pause", [button("Resume", "resume", "take calls again, and run what is due", tone="ok")])
        else:
            title = "refuse calls of functions, and start no scheduled one, until it is resumed"
            yield bar("pause", [button("Pause deployment", "pause", title, tone="bad")])
        variables: list[Line] = [
            {
                "key": name,
                "cells": [name, "•••"],
                "buttons": [
                    button("Edit", "edit", f"give {name} another value"),
                    button("Remove", "remove", f"remove {name}", tone="bad"),
                ],
            }
            for name in deployment.env
        ]
        nothing = "No environment variables yet."
        yield grid("variables", "Environment variables", ["name", "value"], variables, nothing)
        edited = self.memory.get("edited", "")
        row = [
            field("name", "Name", edited),
            field("value", "Value", kind="secret", hint="it is shown nowhere", wide=True),
        ]
        buttons = [button("Set", "set", "set this variable", submits=True, tone="ok")]
        yield form("variable", [row], buttons, version=self.memory.get("version", 0))
        providers: list[Line] = [
            {
                "key": str(number),
                "cells": [
                    each.get("type", "oidc"),
                    each.get("issuer") or each.get("domain", ""),
                    each.get("applicationID", "any"),
                ],
            }
            for number, each in enumerate(deployment.auth.providers)
        ]
        nothing = "No providers: see dep.push(auth=[...])."
        yield grid("providers", "Authentication", ["kind", "issuer", "for"], providers, nothing)
        hint = "backup.convex, or a folder"
        yield form(
            "backup",
            [[field("path", "Backup to a file or folder", hint=hint, wide=True)]],
            [button("Back up now", "back_up", "write a backup of everything", submits=True)],
        )

    def _cards(self) -> Iterable[Card]:
        deployment = self.deployment
        where = deployment.path
        yield {
            "title": "Deployment",
            "figure": "in memory" if where is None else where.name,
            "note": "gone with the kernel; %convex save PATH keeps it" if where is None else str(where.parent),
        }
        state: Card = {"title": "State", "figure": "running", "tone": "ok", "note": f"{deployment.mode} mode"}
        yield {**state, "figure": "paused", "tone": "warn"} if deployment.paused else state
        server = deployment.server
        yield {
            "title": "Server",
            "figure": "not served" if server is None else "served",
            "note": "%convex serve" if server is None else f"{server.url}; HTTP actions: {server.site_url}",
        }

    def do_pause(self, _: Mapping[str, Any]) -> None:
        def pause() -> str:
            self.deployment.pause()
            return "The deployment is paused."

        self.ask("Pause the deployment? Calls are refused until it is resumed.", "Pause", "pause", pause)

    def do_resume(self, _: Mapping[str, Any]) -> None:
        self.deployment.resume()
        self.say("The deployment takes calls again.")

    def do_edit(self, content: Mapping[str, Any]) -> None:
        self.memory |= {"edited": content["key"], "version": self.memory.get("version", 0) + 1}

    def do_set(self, content: Mapping[str, Any]) -> None:
        name, value = content["entries"]["name"].strip(), content["entries"]["value"]
        self.deployment.env[name] = value
        self.memory |= {"edited": "", "version": self.memory.get("version", 0) + 1}
        self.say(f"{name} was set.")

    def do_remove(self, content: Mapping[str, Any]) -> None:
        name = content["key"]

        def remove() -> str:
            del self.deployment.env[name]
            return f"{name} was removed."

        self.ask(f"Remove the environment variable {name}?", "Remove", name, remove)

    def do_back_up(self, content: Mapping[str, Any]) -> None:
        path = content["entries"]["path"].strip()
        if not path:
            raise InvalidValueError("Nothing was written: a backup needs a path.")
        written = self.deployment.backup(Path(path))
        self.say(f"Backed up to {written}, {size_text(written.stat().st_size)}.")
