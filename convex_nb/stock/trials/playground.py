"""The playground: a view in which the author of agents looks at threads and tries prompts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from convex_nb import ComponentError, InvalidValueError, current
from convex_nb.notebook.dashboard import CLOCK_SECONDS, NotebookHost
from convex_nb.notebook.session import get_session
from convex_nb.stock.agents.agent import Agent
from convex_nb.stock.agents.threads import Threads
from convex_nb.stock.trials.attempts import Attempts
from convex_nb.stock.trials.page import ThreadsPage
from convex_nb.views.dashboard.dashboard import Dashboard

if TYPE_CHECKING:
    from convex_nb.deployment.clients.paginated import Followed


class Playground(Dashboard):
    """What `playground(...)` returns: one page, live."""

    shown_as = "playground"
    pages = (ThreadsPage.name,)


def playground(*agents: Threads, user: str | None = None) -> Playground:
    """Return a view of the threads of the current deployment, in which these agents are tried.

    It shows threads, the newest first, and what is said in one of them while it is said; an agent's context; and it
    saves prompts for an agent to answer in the background, as `playground:answer`. It begins with the threads of
    `user`. `Threads(...)` in place of an agent only says where the component is. Whoever sees it may do all this with
    everybody's threads: it is for who makes the agents.

    Raises `ComponentError` where the component is not installed, and `InvalidValueError` for agents of several.
    """
    for each in agents:
        if not isinstance(each, Threads):
            raise InvalidValueError(
                f"A playground takes agents, as `playground(polly, teller)`, not {each!r:.80}. It was not opened.",
                value=each,
            )
    threads = agents[0] if agents else Threads()
    places = sorted({repr(each._component) for each in agents or [threads]})
    if len(places) > 1:
        raise InvalidValueError(
            f"A playground shows one component, and these agents are of several: {', '.join(places)}. It was not "
            "opened.",
            value=agents,
        )
    deployment, session = current(), get_session()
    component = places[0].removeprefix("components.")
    if component not in deployment.components:
        raise ComponentError(
            f'There is no component "{component}" here: its threads cannot be shown. `dep.use(Agent.definition, '
            f'name="{component}")` installs it.',
            component=component,
        )
    host = NotebookHost(session, deployment)
    attempts = Attempts(deployment, host.mark)
    memory = {} if user is None else {"user": json.dumps(user)}
    tried = [each for each in agents if isinstance(each, Agent)]

    def watch(_: Mapping[str, Any]) -> Followed:
        return ThreadsPage(deployment, host, memory, component, threads, tried, attempts)

    return session.open_dashboard(Playground, deployment, watch, ThreadsPage.name, CLOCK_SECONDS)
