//! What sort of data a request carries: the settings and the detector, joined to what the key and
//! the caller say.

use std::sync::Arc;

use bytes::Bytes;
use isthmus_config::settings::Settings;
use isthmus_inference::failure::{Failure, Kind};
use isthmus_policies::class::{Class, DataClass};
use isthmus_policies::classify::{Classified, Sources, classify};
use isthmus_policies::detector::{Detector, Findings, Patterns};

use crate::keyring::Tenant;

/// Classifies requests.
pub struct Classifier {
    detector: Option<Arc<dyn Detector>>,
    floor: Option<DataClass>,
    unclassified: Option<DataClass>,
    opaque_content: Option<DataClass>,
}

/// Bodies larger than this are looked through off the reactor, where they hold up nobody; smaller
/// ones take less time than handing them over would be worth.
const LARGE: usize = 64 * 1024;

// === impl Classifier ===

impl Classifier {
    /// As the settings say.
    pub fn new(settings: &Settings) -> Self {
        let classification = settings.classification;
        let detector: Arc<dyn Detector> = Arc::new(Patterns);
        Self {
            detector: classification.detect.then_some(detector),
            floor: settings.tenancy.organisation.data_class_floor,
            unclassified: classification.unclassified,
            opaque_content: classification.opaque_content,
        }
    }

    /// The class of a request with this body, of which its caller says `said`.
    pub async fn classify(
        &self,
        tenant: &Tenant,
        said: Option<Class>,
        body: &Bytes,
    ) -> Result<Classified, Failure> {
        let findings = self.findings(body).await?;
        let opaque = self.opaque_content.filter(|_| findings.unseen > 0).map(Class::only);
        let found = [findings.class(), opaque].into_iter().flatten().reduce(Class::and);
        Ok(classify(&Sources {
            organisation: self.floor,
            key: tenant.data_class(),
            may_declassify: tenant.may_declassify(),
            caller: said,
            detector: found,
            unclassified: self.unclassified,
        }))
    }

    async fn findings(&self, body: &Bytes) -> Result<Findings, Failure> {
        let Some(detector) = &self.detector else { return Ok(Findings::default()) };
        if body.len() <= LARGE {
            return Ok(detector.scan(body));
        }
        let (detector, body) = (Arc::clone(detector), body.clone());
        let scanned = tokio::task::spawn_blocking(move || detector.scan(&body)).await;
        // A request that could not be looked through must not pass for one in which nothing is.
        scanned.map_err(|error| {
            let message = "the request could not be classified, so it was not sent";
            Failure::new(Kind::Internal, message).with_detail(error)
        })
    }
}
