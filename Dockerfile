# retrato in a container: `docker build -t retrato .` for the CPU, `docker build --build-arg TORCH=cuda -t retrato .` for
# NVIDIA cards (torch brings its CUDA libraries along, the host needs the driver and its container toolkit only).
FROM python:3.12-slim AS build
ARG TORCH=cpu
WORKDIR /source
COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY src src
COPY examples examples
RUN python -m venv /venv \
    && case "$TORCH" in \
         cpu) export PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu ;; \
         cuda) ;; \
         *) echo "TORCH is $TORCH: take cpu or cuda" >&2; exit 2 ;; \
       esac \
    && /venv/bin/pip install --no-cache-dir .

FROM python:3.12-slim
COPY --from=build /venv /venv
# Everything learned and drawn lies in /data: mount a volume there, and it outlives the container.
ENV PATH=/venv/bin:$PATH RETRATO_HOME=/data
RUN useradd --create-home --uid 1000 retrato && mkdir /data && chown retrato /data
USER 1000
WORKDIR /data
VOLUME /data
ENTRYPOINT ["retrato"]
CMD ["--help"]
