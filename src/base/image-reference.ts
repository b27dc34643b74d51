/** References of container images. */

/**
 * Enough to tell a mistake from a reference; whether there is such an image, the kubelet says. Only the registry's host
 * may begin with a capital (https://pkg.go.dev/github.com/distribution/reference).
 */
export const imageReference = /^(?=.{1,512}$)(?:[A-Za-z0-9][A-Za-z0-9.-]*(?::\d+)?\/)?[a-z0-9][A-Za-z0-9._/:@-]*$/;
