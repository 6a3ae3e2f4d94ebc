# Run once by the image of PostgreSQL, when the volume is new: makes the role of the service.
#
# The role owns the schema, because it migrates it, and nothing else: no other database, no role, no
# file of the server. The superuser is left without a password, so that it signs in through the
# socket inside the container alone.
set -eu

psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
  --set role="$SERVICE_USERNAME" --set password="$SERVICE_PASSWORD" --set database="$POSTGRES_DB" \
  <<'SQL'
CREATE ROLE :"role" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    PASSWORD :'password';
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE :"database" TO :"role";
REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC;
ALTER SCHEMA public OWNER TO :"role";
ALTER ROLE CURRENT_USER PASSWORD NULL;
SQL
