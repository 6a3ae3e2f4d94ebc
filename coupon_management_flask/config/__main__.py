"""`python -m coupon_management_flask.config`: write application.yml from the declarations."""

from .load import ROOT
from .written import application_yml

if __name__ == "__main__":
    (ROOT / "application.yml").write_text(application_yml(), encoding="utf-8")
