# syntax=docker/dockerfile:1
# keyproxy as an image: Node, the program, and what of it was compiled ahead. docs/image.md tells how to build and run it.

# Both can be pinned by digest: --build-arg RUNTIME_IMAGE=gcr.io/distroless/nodejs24-debian13@sha256:…
ARG BUILD_IMAGE=node:24-trixie
ARG RUNTIME_IMAGE=gcr.io/distroless/nodejs24-debian13:nonroot

FROM ${RUNTIME_IMAGE} AS runtime

FROM ${BUILD_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY . .
# The time in the bill of materials; the same sources and the same time give the same bytes.
ARG SOURCE_DATE_EPOCH
RUN node build.ts && mkdir -p /opt/keyproxy && cp -r dist/. /opt/keyproxy && install -d -o 65532 -g 65532 /compiled
# Compiled code is of use only to the Node, the place and the user that it was compiled by.
COPY --from=runtime /nodejs /nodejs
USER 65532:65532
RUN /nodejs/bin/node build/compile.ts /opt/keyproxy /compiled

FROM runtime
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="keyproxy" \
      org.opencontainers.image.description="Local gRPC daemon that encrypts each customer's data under the key that the customer owns" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"
COPY --from=build --chown=0:0 /opt/keyproxy /opt/keyproxy
COPY --from=build --chown=0:0 /compiled /opt/keyproxy/compiled
# Numbers, so that Kubernetes can tell that it is not root.
USER 65532:65532
WORKDIR /
# Local keys and --dev are not for images.
ENV NODE_ENV=production
# Metrics and health. Applications use the socket in /run/keyproxy.
EXPOSE 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 \
  CMD ["/nodejs/bin/node", "/opt/keyproxy/keyproxy.js", "health"]
ENTRYPOINT ["/nodejs/bin/node", "/opt/keyproxy/keyproxy.js"]
CMD ["serve", "--config", "/etc/keyproxy/keyproxy.yaml"]
