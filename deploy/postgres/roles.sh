#!/bin/bash
# Creates the database's roles, each with the password of its address in the folder of secrets. A role that exists gets
# that password. The image of PostgreSQL runs it once, with an empty database. On a server without containers: sudo -u postgres SECRETS=/folder ./roles.sh
set -eu
secrets=${SECRETS:-/run/secrets}

for name in owner sync portal students operator desk; do
  address=$(tr -d '\r\n' < "$secrets/${name}_db")
  password=${address#*://*:}
  password=${password%%@*}
  # The password is letters and digits: an address would need it encoded.
  case $password in
    *[!A-Za-z0-9]* | "") echo "$secrets/${name}_db: write a password of letters and digits." >&2; exit 1 ;;
  esac
  psql --quiet --set ON_ERROR_STOP=1 --dbname postgres <<SQL
SELECT 'CREATE ROLE clearance_$name' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'clearance_$name') \gexec
ALTER ROLE clearance_$name LOGIN PASSWORD '$password';
SQL
done
psql --quiet --set ON_ERROR_STOP=1 --dbname postgres <<SQL
$(psql --tuples-only --no-align --dbname postgres --command \
  "SELECT CASE WHEN EXISTS (SELECT FROM pg_database WHERE datname = 'clearance') THEN 'ALTER DATABASE clearance OWNER TO clearance_owner;' ELSE 'CREATE DATABASE clearance OWNER clearance_owner;' END")
SQL
echo "Six roles and the database clearance are ready. Next: clearance db upgrade, clearance db roles."
