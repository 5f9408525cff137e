# The image of GitLab jobs that run datapin. GitLab starts `sh` in it, so there is a shell and no entrypoint.
# `.ci/chroot` runs the steps of the last stage in a bare chroot, where Docker does not run.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin datapin

FROM debian:bookworm-slim
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="datapin" \
      org.opencontainers.image.description="Deploys data versions to microservices through GitOps" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Certificates for https and AWS, ssh-keygen for signed commits. Not pinned: a rebuild takes Debian's security fixes.
# The checkout in a job belongs to root: without safe.directory libgit2 would not open it.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates libssl3 openssh-client \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log \
 && printf '[safe]\n\tdirectory = *\n' > /etc/gitconfig \
 && useradd --uid 10001 --create-home --shell /bin/sh datapin
COPY --from=build --chmod=0755 /src/target/release/datapin /usr/local/bin/datapin
USER 10001:10001
ENV HOME=/home/datapin
WORKDIR /home/datapin
CMD ["datapin", "--help"]
