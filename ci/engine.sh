# What the verbs around images know of a machine whose Docker engine a script runs (`ENGINE=…/engine.sh`): sourced by the
# Makefile. Such a machine has its base image by name only, so that is pushed to the local registry, which gives it the
# digest that BASE_IMAGE has to be.
if [ -n "${ENGINE:-}" ]; then
    settings=$(bash "$ENGINE" env) && eval "$settings" || exit 1
    # Its builds reach the package index as this machine does, so by this machine's certificates.
    export SSL_CERT_FILE="${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}"
    if [ -z "${BASE_IMAGE:-}" ]; then
        local_base="$REGISTRY/python:3.11-slim-bookworm"
        docker tag python:3.11-slim-bookworm "$local_base" && docker push --quiet "$local_base" >/dev/null || exit 1
        BASE_IMAGE=$(docker image inspect --format '{{join .RepoDigests "\n"}}' "$local_base" | grep "^$REGISTRY/python@")
        export BASE_IMAGE
    fi
fi
