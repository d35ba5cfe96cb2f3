"""What has been changed about a deployment, in the order in which it was."""

from __future__ import annotations

from typing import Any

import convex_nb
from convex_nb import cron_jobs, define_schema, define_table, mutation, query, v


def test_every_change_of_what_is_set_up_is_kept_and_no_value_of_a_variable() -> None:
    @mutation("jobs:tidy")
    def tidy(ctx: Any) -> None:
        ctx.db.insert("notes", {"text": "of an application"})

    @query("jobs:tidy")
    def other(ctx: Any) -> int:
        return 1

    with convex_nb.open() as deployment:
        deployment.register(tidy)
        deployment.push(define_schema({"notes": define_table({"text": v.string()})}))
        deployment.push(define_schema({"notes": define_table({"text": v.string()}).index("by_text", ["text"])}))
        newest = deployment.audit.newest
        deployment.mutation("jobs:tidy")
        assert deployment.audit.newest is newest
        crons = cron_jobs()
        crons.daily("clean", {"hour_utc": 3, "minute_utc": 0}, tidy)
        deployment.push(crons=crons)
        deployment.push(crons=crons)
        deployment.env["KEY"] = "s3cr3t"
        deployment.env["KEY"] = "s3cr3t too"
        del deployment.env["KEY"]
        deployment.push(auth=[{"domain": "https://a.example", "applicationID": "app"}])
        deployment.import_table("notes", [{"text": "a"}, {"text": "b"}])
        deployment.import_table("notes", [{"text": "c"}], "replace")
        deployment.pause()
        deployment.resume()
        deployment.register(other)
        deployment.unregister("jobs:tidy")
        events = list(deployment.audit)
        assert [(each.what, each.name, each.action) for each in events] == [
            ("function", "jobs:tidy", "added"),
            ("schema", "notes", "added"),
            ("schema", "notes", "added"),
            ("cron", "clean", "added"),
            ("environment variable", "KEY", "added"),
            ("environment variable", "KEY", "changed"),
            ("environment variable", "KEY", "removed"),
            ("auth provider", "https://a.example", "added"),
            ("import", "notes", "added to"),
            ("import", "notes", "replaced"),
            ("deployment", "", "paused"),
            ("deployment", "", "resumed"),
            ("function", "jobs:tidy", "changed"),
            ("function", "jobs:tidy", "removed"),
        ]
        assert "by_text" in events[2].detail
        assert events[8].detail == "2 documents"
        assert "s3cr3t" not in repr(deployment.audit) + str(events)
        assert list(deployment.audit.df().columns) == ["time", "what", "name", "action", "detail"]
        assert "<td>clean</td>" in deployment.audit._repr_html_()
        assert len(deployment.audit) == 14
