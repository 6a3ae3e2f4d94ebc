"""`/api/analytics`: the dashboard, and the redemptions behind it as CSV."""

from flask import Response, stream_with_context

from ..vouchers.schemas import VoucherErrorSchema
from ..web.aliases import alias
from ..web.body import Headers, Routes
from ..web.guard import actor, guard
from ..web.rates import limit_reports
from . import export, schemas
from .dashboard import Dashboard
from .dashboard import read_dashboard as read

routes: Routes = Routes(
    "analytics",
    __name__,
    error_schema=VoucherErrorSchema(),
    url_prefix="/api/analytics",
    description="What was issued, redeemed and sold",
)

CSV = {
    "type": "string",
    "description": f"The first line names the columns: {', '.join(export.COLUMNS)}.",
}
AS_A_FILE: Headers = {
    "Content-Disposition": {
        "description": "Under which name to keep it.",
        "required": True,
        "schema": {"type": "string"},
    }
}


@alias(routes, "/revenue", of="/dashboard", name="read_revenue", methods=["GET"])
@routes.route("/dashboard", methods=["GET"])
@guard()
@limit_reports
@routes.arguments(schemas.DaysQuery(), location="query")
@routes.response(200, schemas.DashboardSchema())
def read_dashboard(query: dict[str, int]) -> Dashboard:
    """The whole service's figures for an administrator, one's own for anyone else"""
    return read(actor().id, **query, whole_service=actor().is_administrator)


@alias(routes, "/user", of="/dashboard", name="read_own_figures", methods=["GET"])
@guard()
@limit_reports
@routes.arguments(schemas.DaysQuery(), location="query")
@routes.response(200, schemas.DashboardSchema())
def read_own_figures(query: dict[str, int]) -> Dashboard:
    """One's own figures, for an administrator too"""
    return read(actor().id, **query, whole_service=False)


@routes.route("/export.csv", methods=["GET"])
@guard()
@limit_reports
@routes.arguments(schemas.DaysQuery(), location="query")
@routes.response(200, CSV, content_type="text/csv", headers=AS_A_FILE)
def export_redemptions(query: dict[str, int]) -> Response:
    """The redemptions of these days as CSV: all for an administrator, one's own for anyone else"""
    lines = export.redemptions_as_csv(actor().id, **query, whole_service=actor().is_administrator)
    return Response(
        stream_with_context(lines),
        mimetype="text/csv",
        headers={"Content-Disposition": 'attachment; filename="redemptions.csv"'},
    )
