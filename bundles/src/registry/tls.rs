//! TLS: rustls with ring, the usual authorities, those of the system and those that were named.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::{Options, RegistryError};

/// The configuration for all connections.
pub(super) fn config(options: &Options) -> Result<ClientConfig, RegistryError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    // A system without certificates, as in an image from scratch, is nothing unusual.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for path in &options.authorities {
        add_file(&mut roots, path)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| RegistryError::Tls(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), RegistryError> {
    let pem = std::fs::read(path).map_err(RegistryError::disk(path))?;
    let certificates: Vec<CertificateDer<'_>> = CertificateDer::pem_slice_iter(&pem).flatten().collect();
    match roots.add_parsable_certificates(certificates) {
        (0, _) => Err(RegistryError::Authorities(path.to_owned())),
        _ => Ok(()),
    }
}
