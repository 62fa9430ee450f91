# `composectl proxy` in a container: `docker build -t composectl .`
# BASE is any image with Python 3.11 or newer, and with apt-get or gcc and strip. Where none can be pulled, `scripts/image`
# makes one of this machine's Python, and hands over WHEELS, a folder of the context with all that is to be installed.
# The digest pins the base; `--build-arg BASE=python:3.13-slim` takes the newest one.
ARG BASE=python:3.13-slim@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285

FROM ${BASE} AS build
ARG WHEELS=
COPY . /source
RUN ["python3", "/source/scripts/image-tree.py", "/source", "/image"]

FROM scratch
COPY --from=build /image/ /
# A folder in memory for the control socket, also where the file system is read-only
ENV TMPDIR=/dev/shm
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s CMD ["composectl", "status", "--json"]
ENTRYPOINT ["composectl"]
CMD ["proxy"]
