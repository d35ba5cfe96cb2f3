"""Loading and unloading."""

from __future__ import annotations

import threading
from typing import Any

from convex_nb._version import __version__
from tests.notebook.conftest import CHAT, Notebook


def state_of(notebook: Notebook) -> dict[str, Any]:
    """Everything in a shell that an extension could change."""
    shell = notebook.shell
    assert shell.display_formatter is not None
    return {
        "magics": {kind: set(names) for kind, names in shell.magics_manager.magics.items()},
        "registry": set(shell.magics_manager.registry),
        "configurables": list(shell.configurables),
        "events": {name: list(callbacks) for name, callbacks in shell.events.callbacks.items()},
        "matchers": list(shell.Completer.custom_matchers),
        "exceptions": (shell.custom_exceptions, shell.CustomTB),
        "displays": dict(shell.display_formatter.ipython_display_formatter.type_printers),
        "transformers": [*shell.input_transformers_cleanup, *shell.input_transformers_post, *shell.ast_transformers],
        "threads": {thread.name for thread in threading.enumerate()} - {"convex_nb worker"},
    }


def test_loading_says_one_line(bare: Notebook) -> None:
    ran = bare.ok("%load_ext convex_nb")
    loaded = f"convex_nb {__version__}: in-memory deployment (0 tables)."
    assert ran.text.strip() == f"{loaded} %convex help says what there is."


def test_loading_twice_does_nothing(bare: Notebook) -> None:
    bare.ok("%load_ext convex_nb")
    loaded = state_of(bare)
    assert "already loaded" in bare.ok("%load_ext convex_nb").text
    manager: Any = bare.shell.extension_manager
    manager.loaded.clear()
    assert bare.ok("%load_ext convex_nb").text.strip() == ""
    assert state_of(bare) == loaded


def test_unloading_puts_everything_back(bare: Notebook) -> None:
    bare.run("%load_ext")  # IPython loads its own magics when they are first used
    before = state_of(bare)
    bare.ok("%load_ext convex_nb\nfrom convex_nb import define_table, live, v")
    for cell in CHAT:
        bare.ok(cell)
    bare.ok("live(recent)")
    assert state_of(bare) != before
    bare.ok("%unload_ext convex_nb")
    assert state_of(bare) == before
    assert "not found" in bare.run("%convex").text


def test_another_extension_may_have_come_in_between(bare: Notebook) -> None:
    bare.ok("%load_ext convex_nb")
    shell = bare.shell
    shell.set_custom_exc((ZeroDivisionError,), lambda *args, **kwargs: None)
    theirs = shell.CustomTB
    bare.ok("%unload_ext convex_nb")
    assert shell.CustomTB is theirs


def test_reloading_keeps_the_documents(chat: Notebook) -> None:
    chat.ok('send(author="Ada", body="hello")')
    deployment = chat.deployment
    chat.ok("%reload_ext convex_nb")
    assert chat.deployment is deployment
    assert chat.ok("live(recent)").value.value[0]["body"] == "hello"


def test_a_handler_that_was_there_before_still_gets_its_exceptions(bare: Notebook) -> None:
    seen: list[BaseException] = []

    def handle(shell: Any, kind: Any, error: BaseException, traceback: Any, tb_offset: Any = None) -> None:
        seen.append(error)

    bare.shell.set_custom_exc((ZeroDivisionError,), handle)
    bare.ok("%load_ext convex_nb")
    bare.run("1 / 0")
    assert [type(error) for error in seen] == [ZeroDivisionError]


def test_the_magics_are_configurable(notebook: Notebook) -> None:
    assert "ConvexMagics" in notebook.ok("%config").text
    notebook.ok('%config ConvexMagics.display = "static"')
    assert notebook.session.twins.static
    notebook.ok("%convex display live")
    assert not notebook.session.twins.static
    assert notebook.ok("%config ConvexMagics.display").value == "live"


def test_a_closed_deployment_is_not_replaced_behind_the_users_back(chat: Notebook) -> None:
    chat.ok("import convex_nb\nconvex_nb.current().close()")
    assert "DeploymentClosedError" in chat.run('send(author="Ada", body="x")').text
    assert "DeploymentClosedError" in chat.run("convex_nb.current()").text
