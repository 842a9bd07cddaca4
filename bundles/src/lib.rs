//! OCI images to bundles.
