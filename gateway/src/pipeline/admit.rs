//! Stage 3: may it come in, and what sort of data is it?

use std::sync::Arc;

use http::HeaderName;
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::request::Request;
use isthmus_policies::question::{Context, Principal};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::declared::declared;
use super::plan::Asked;
use super::recall::Wish;
use super::receive::Received;
use super::settle::Ticket;
use super::tags::tags;
use crate::classifier::Classifier;
use crate::keyring::Tenant;

/// A call that may go on.
#[derive(Debug)]
pub struct Admitted {
    /// What is asked.
    pub request: Arc<Request>,
    /// The room that its body takes.
    pub room: OwnedSemaphorePermit,
    /// By when the caller must have an answer.
    pub deadline: Instant,
    /// Who asks, as policy sees it.
    pub principal: Arc<Principal>,
    /// What is known of the request, as policy sees it.
    pub context: Arc<Context>,
    /// Tells keys apart: on which side of a trial of policies it falls.
    pub key_hash: u64,
    /// Tells apps apart, whose requests resemble each other.
    pub app_hash: u64,
    /// What it wants of the memory of answers.
    pub(super) wish: Wish,
    /// What the caller prefers, instead of what the operator does.
    pub objective: Option<Box<str>>,
}

impl Admitted {
    /// What a plan is asked for.
    pub fn asked(&self) -> Asked<'_> {
        Asked {
            request: &self.request,
            deadline: self.deadline,
            principal: &self.principal,
            context: &self.context,
            key_hash: self.key_hash,
            app_hash: self.app_hash,
            objective: self.objective.as_deref(),
        }
    }
}

/// Where a caller names an objective of its own.
static OBJECTIVE: HeaderName = HeaderName::from_static("x-isthmus-objective");

/// Lets the call in, or says why not.
pub async fn admit(
    classifier: &Classifier,
    received: Received,
    ticket: &mut Ticket,
) -> Result<Admitted, Failure> {
    let Received { call, tenant, request, room } = received;
    permitted(&tenant, &request)?;
    let said = declared(&call.headers, &request)?;
    ticket.marked(tags(&call.headers, tenant.tags())?);
    let classified = classifier.classify(&tenant, said.class, &request.body).await?;
    ticket.classified(classified);
    let objective = call.headers.get(&OBJECTIVE).and_then(|value| value.to_str().ok());
    Ok(Admitted {
        request,
        room,
        deadline: call.deadline,
        principal: Arc::clone(tenant.principal()),
        context: Arc::new(said.context(classified)),
        key_hash: tenant.key_hash(),
        app_hash: tenant.app_hash(),
        objective: objective.map(Into::into),
        wish: Wish::of(&call.headers),
    })
}

fn permitted(tenant: &Tenant, request: &Request) -> Result<(), Failure> {
    if tenant.allows(request.model.as_str()) {
        return Ok(());
    }
    let message = format!(
        "the key `{}` may not ask for the model `{}`; GET /v1/models lists those that it may",
        tenant.name(),
        request.model
    );
    Err(Failure::new(Kind::Forbidden, message).with_param("model"))
}
