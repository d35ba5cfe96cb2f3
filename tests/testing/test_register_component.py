from __future__ import annotations

from convex_nb import components
from convex_nb.testing import ConvexTest
from tests.deployment.components.counting import SCHEMA, counter


def test_a_component_is_installed_and_its_jobs_are_finished() -> None:
    with ConvexTest(SCHEMA) as test:
        likes = test.register_component(counter(), "likes")
        own = test.register_component(counter())
        assert (likes.path, own.path) == ("likes", "counter")
        test.mutation(components.likes.add_later, name="a")
        assert likes.schedules.pending.df()["name"].tolist() == ["likes//add"]
        test.finish_all_scheduled_functions()
        assert (likes.query("total", name="a"), own.query("total", name="a")) == (1, 0)
        (job,) = likes.schedules.finished
        assert likes.schedules.cancel(job) is False
        likes.mutation("add_later", name="a")
        assert (likes.schedules.cancel_all("add"), test.deployment.schedules.cancel_all()) == (1, 0)
