/** References of container images. */

/** Enough to tell a mistake from a reference; whether there is such an image, the kubelet says. */
export const imageReference = /^[a-z0-9][A-Za-z0-9._/:@-]{0,511}$/;
