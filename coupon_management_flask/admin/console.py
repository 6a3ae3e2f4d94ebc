"""`/admin/` itself: signing in and out, and the dashboard."""

from pathlib import Path

import marshmallow as ma
from flask import Blueprint, Flask, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import Admin, AdminIndexView, expose
from flask_admin.theme import Theme
from marshmallow import validate

from ..analytics.dashboard import DayFigures, read_dashboard
from ..analytics.schemas import DaysQuery
from ..core import errors
from ..web.body import LONGEST_LOGIN, LONGEST_PASSWORD, BoundedSchema, Credential
from ..web.rates import caller_address, limit_logins, limited_address
from ..web.security import ADMIN, ADMIN_FILES, form_fields
from . import access, charts, service, views
from .access import SignedIn, administrator
from .errors import CONTRACT

DAYS = (7, 30, 90, 366)

# Registered before Flask-Admin's views: where both have a template, ours counts.
files = Blueprint(
    "admin-files",
    __name__,
    template_folder="templates",
    static_folder=str(Path(__file__).parent / "files"),
    static_url_path=ADMIN_FILES,
)


class _SignIn(BoundedSchema):
    login = Credential(LONGEST_LOGIN, validate=validate.Length(1))
    password = Credential(LONGEST_PASSWORD, validate=validate.Length(1))


_sign_in = _SignIn()
_days = DaysQuery()


class Console(SignedIn, AdminIndexView):
    """The dashboard, and the page to sign in on."""

    def __init__(self) -> None:
        super().__init__(name="Dashboard")
        # Flask-Admin would serve scripts that no page of ours asks for.
        self.static_folder = None

    @expose("/")
    def index(self) -> str:
        try:
            days = _days.load(request.args)["days"]
        except ma.ValidationError as error:
            raise errors.Invalid(error.messages_dict) from error
        figures = read_dashboard(administrator().id, days=days, whole_service=True)
        return self.render(  # type: ignore[no-any-return]
            "console/dashboard.html",
            figures=figures,
            charts=_charts(figures.series),
            days=days,
            choices=DAYS,
        )

    @expose("/sign-in", methods=("GET", "POST"))
    def sign_in(self) -> ResponseReturnValue:
        return _enter(self) if access.is_sent() else _ask(self, 200)

    @expose("/sign-out", methods=("POST",))
    def sign_out(self) -> ResponseReturnValue:
        service.sign_out(administrator().id, access.session_id())
        access.forget()
        return redirect(url_for(access.SIGN_IN), 303)


def _charts(series: list[DayFigures]) -> list[charts.Chart]:
    labels = [str(day.date) for day in series]
    currencies = sorted({currency for day in series for currency in day.revenue})
    return [
        charts.bar_chart("Redeemed", labels, [day.redeemed for day in series]),
        charts.bar_chart("Issued", labels, [day.issued for day in series]),
        *(
            charts.bar_chart(
                f"Revenue in {currency}",
                labels,
                [day.revenue.get(currency, 0) for day in series],
                currency,
            )
            for currency in currencies
        ),
    ]


@limit_logins
def _enter(console: Console) -> ResponseReturnValue:
    try:
        given = _sign_in.load(form_fields(_sign_in.fields))
        grant = service.sign_in(
            given["login"],
            given["password"],
            address=limited_address(),
            caller=caller_address(),
        )
    except ma.ValidationError:
        return _ask(console, 401, errors.WrongCredentials())
    except errors.DomainError as error:
        problem = CONTRACT.problem(error)
        answer = _ask(console, problem.status, error)
        if "Retry-After" in problem.headers:
            answer.headers["Retry-After"] = problem.headers["Retry-After"]
        return answer
    if access.signed_in() is not None:
        service.sign_out(administrator().id, access.session_id())
    access.remember(grant)
    return redirect(_wanted() or url_for("admin.index"), 303)


def _ask(console: Console, status: int, error: errors.DomainError | None = None) -> Response:
    words = CONTRACT.problem(error).message if error is not None else ""
    page = console.render(
        "console/sign_in.html", wrong=words, login=request.form.get("login", ""), next=_wanted()
    )
    return Response(page, status, mimetype="text/html")


def _wanted() -> str:
    """Return where somebody wanted to go before signing in: a page of ours, or nothing."""
    target = request.values.get("next", "")
    return (
        target
        if target.startswith((f"{ADMIN}/", f"{ADMIN}?"))
        and target.isprintable()
        and "\\" not in target
        else ""
    )


def init_app(app: Flask) -> None:
    access.init_app(app)
    app.register_blueprint(files)
    app.jinja_env.globals["csrf_token"] = access.csrf_token
    app.jinja_env.globals["signed_in"] = access.signed_in
    admin = Admin(
        app,
        "Coupons",
        index_view=Console(),
        theme=Theme(folder="bootstrap4", base_template="console/base.html"),
    )
    admin.add_views(*views.all_views())
