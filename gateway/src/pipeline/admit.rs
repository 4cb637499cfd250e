//! Stage 3: may it come in?

use std::collections::BTreeSet;
use std::sync::Arc;

use http::HeaderMap;
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::request::Request;
use isthmus_policies::class::{Class, DataClass};
use isthmus_policies::question::{Context, Principal};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::receive::Received;
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
    /// What the caller prefers, instead of what the operator does.
    pub objective: Option<Box<str>>,
}

/// A header that promises a restriction which this version has no policy to keep. Refusing is the
/// only answer that does not break the promise.
const DATA_CLASS: &str = "x-isthmus-data-class";

/// Lets the call in, or says why not.
pub fn admit(received: Received) -> Result<Admitted, Failure> {
    let Received { call, tenant, request, room } = received;
    permitted(&tenant, &request)?;
    promised(&call.headers)?;
    let principal = Principal {
        organisation: "default".to_owned(),
        team: "default".to_owned(),
        app: tenant.name().to_owned(),
    };
    let context = Context {
        class: Class::only(DataClass::Public),
        declared: false,
        subject_regions: BTreeSet::new(),
        allowed_regions: None,
        purpose: String::new(),
    };
    let objective = call.headers.get("x-isthmus-objective").and_then(|value| value.to_str().ok());
    Ok(Admitted {
        request,
        room,
        deadline: call.deadline,
        principal: Arc::new(principal),
        context: Arc::new(context),
        key_hash: 0,
        app_hash: 0,
        objective: objective.map(Into::into),
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

fn promised(headers: &HeaderMap) -> Result<(), Failure> {
    if headers.get_all(DATA_CLASS).iter().all(|class| class.as_bytes() == b"public") {
        return Ok(());
    }
    Err(Failure::invalid(
        DATA_CLASS,
        "this version cannot restrict where data of a class may go, so the request was not sent; only `public` is understood",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_that_cannot_be_kept_is_not_made() {
        let headers = |class: &'static str| {
            HeaderMap::from_iter([(DATA_CLASS.parse().unwrap(), class.parse().unwrap())])
        };
        assert!(promised(&HeaderMap::new()).is_ok());
        assert!(promised(&headers("public")).is_ok());
        assert_eq!(promised(&headers("phi")).unwrap_err().kind, Kind::InvalidRequest);
        let mut both = headers("public");
        both.append(DATA_CLASS, "phi".parse().unwrap());
        assert!(promised(&both).is_err(), "the strictest counts");
    }
}
