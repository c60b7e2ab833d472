#!/bin/bash
# Run once by the image of InfluxDB, after it made organisation and bucket: a token for Andon that reads and writes this
# bucket and nothing else, and one for Grafana that only reads it. Each goes where its own container
# reads it and the other does not.

set -eu
umask 077

token() { # NAME RIGHT...
    local name=$1
    shift
    influx auth create --org "$DOCKER_INFLUXDB_INIT_ORG" --description "$name" "$@" --json |
        sed -n 's/.*"token": *"\([^"]*\)".*/\1/p' > "/run/tokens/$name/.token"
    [ -s "/run/tokens/$name/.token" ] || { echo "no token for $name" >&2; exit 1; }
    mv "/run/tokens/$name/.token" "/run/tokens/$name/token"
}

token grafana --read-bucket "$DOCKER_INFLUXDB_INIT_BUCKET_ID"
token andon --read-bucket "$DOCKER_INFLUXDB_INIT_BUCKET_ID" --write-bucket "$DOCKER_INFLUXDB_INIT_BUCKET_ID"
