# syntax=docker/dockerfile:1
# Wheels are built where a compiler may be had, and installed where there is none.

FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml README.md ./
COPY proxy proxy
RUN pip wheel --quiet --no-cache-dir --wheel-dir /wheels .

FROM python:3.12-slim
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --quiet --no-cache-dir --no-index --find-links /wheels headgate \
    && mkdir -p /etc/headgate /var/lib/headgate/state \
    && chown -R 10001:10001 /var/lib/headgate

# A relative state path of the configuration (state/headgate.db) lands on this volume: rollout positions outlive the container.
WORKDIR /var/lib/headgate
VOLUME /var/lib/headgate

# `headgate healthcheck` finds the admin address in the same configuration that `run` reads.
ENV HEADGATE_CONFIG=/etc/headgate PYTHONUNBUFFERED=1

# By number, so an orchestrator that demands a non-root user can see that it is one.
USER 10001:10001

# Traffic, and admin (which must be given a non-loopback address and a token file to be reached from outside the container).
EXPOSE 8080 9900

HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["headgate", "healthcheck"]

# TERM drains: readiness off, no new connections, requests in flight finish.
STOPSIGNAL SIGTERM

ENTRYPOINT ["headgate"]
CMD ["run", "--config", "/etc/headgate"]
