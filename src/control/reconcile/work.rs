//! The work on one Image: what its source gives for it, then image, bundle and record. It runs beside the books and touches
//! none of them.

use std::sync::Arc;

use api::{FailureReason, ImageObject};

use super::failure::Failure;
use crate::publish::{Outcome, Publisher};
use crate::source::ImageSource;

/// What came of it.
pub struct Done {
    /// The Image that it was done for.
    pub object: Arc<ImageObject>,
    /// The outcome.
    pub result: Result<Outcome, Failure>,
}

/// Publishes an Image.
pub async fn publish(
    source: Arc<dyn ImageSource>,
    publisher: Arc<Publisher>,
    object: Arc<ImageObject>,
) -> Done {
    let result = attempt(&*source, publisher, &object).await;
    if let Err(failure) = &result
        && !failure.repeated
    {
        let reason = failure.reason.word();
        match &object.place {
            Some(place) => {
                let (file, line) = (place.file.display(), place.line);
                tracing::error!(function = %object.name, %file, line, reason, "spec.image: {}", failure.message);
            }
            None => tracing::warn!(function = %object.name, reason, "{}", failure.message),
        }
    }
    Done { object, result }
}

async fn attempt(
    source: &dyn ImageSource,
    publisher: Arc<Publisher>,
    object: &ImageObject,
) -> Result<Outcome, Failure> {
    let order = source.order(object, publisher.keychain()).await?;
    let published = tokio::task::spawn_blocking(move || {
        publisher
            .publish(&order.image, &order.reference, &order.keychain)
            .map_err(|error| Failure::of_publish(&error, &order.image.spec.image))
    });
    published.await.unwrap_or_else(|error| {
        let what = format!("publishing broke off: {error}; this is a bug");
        Err(Failure::new(FailureReason::Internal, what))
    })
}
