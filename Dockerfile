FROM python:3.13.14-slim AS builder
COPY requirements.txt /
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check \
        --require-hashes --requirement /requirements.txt

FROM python:3.13.14-slim
RUN groupadd --gid 10001 coupons \
    && useradd --uid 10001 --gid coupons --no-create-home --home-dir /app coupons \
    && install --directory --owner=coupons --group=coupons /app/instance
WORKDIR /app
COPY --from=builder /venv /venv
COPY application.yml ./
COPY migrations ./migrations
COPY frontend ./frontend
COPY coupon_management_flask ./coupon_management_flask

ENV PATH=/venv/bin:$PATH \
    APP_ENV=production \
    HOST=0.0.0.0 \
    PORT=8000 \
    WORKERS=2
EXPOSE 8000
VOLUME ["/app/instance"]
# A number, because an orchestrator that forbids root can't judge a name.
USER 10001:10001

# The check has to send a Host that the service answers to. Failures don't count in the first five
# minutes, while a migration may run.
HEALTHCHECK --interval=15s --timeout=5s --start-period=5m --start-interval=2s \
    CMD ["python", "-c", "\
import http.client, os, sys; \
host = (os.environ.get('ALLOWED_HOSTS') or '127.0.0.1').split(',')[0].strip().lstrip('.'); \
connection = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=4); \
connection.request('GET', '/api/health/live', headers={'Host': host}); \
sys.exit(connection.getresponse().status != 200)"]

CMD ["sh", "-c", "flask --app coupon_management_flask db upgrade && exec flask --app coupon_management_flask serve"]
