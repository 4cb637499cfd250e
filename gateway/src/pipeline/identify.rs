//! Stage 1: whose key is this? Asked of the head alone, so that a stranger's body is never read.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use isthmus_inference::failure::Failure;

use super::Call;
use super::settle::Ticket;
use crate::keyring::{Keyring, Tenant};

/// A call with a known caller.
#[derive(Debug)]
pub struct Identified {
    /// The call.
    pub call: Box<Call>,
    /// Who is calling.
    pub tenant: Tenant,
}

/// Where callers may put their key: as a bearer token, or where Anthropic's and Google's SDKs do.
pub static CREDENTIAL_HEADERS: [HeaderName; 3] = [
    AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-goog-api-key"),
];

/// Finds out who is calling.
pub fn identify(
    keyring: &Keyring,
    call: Box<Call>,
    ticket: &mut Ticket,
) -> Result<Identified, Failure> {
    let tenant = keyring.identify(presented(&call.headers))?;
    ticket.identified(&tenant);
    Ok(Identified { call, tenant })
}

/// The key as presented.
pub fn presented(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer);
    let named = || CREDENTIAL_HEADERS[1..].iter().find_map(|name| headers.get(name)?.to_str().ok());
    bearer.or_else(named).map(str::trim).filter(|key| !key.is_empty())
}

/// The credential of a bearer header; the scheme is case-blind (RFC 9110, section 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, credential) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(credential)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presented_in(name: &'static str, value: &'static str) -> Option<String> {
        let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
        presented(&headers).map(str::to_owned)
    }

    #[test]
    fn a_key_is_found_wherever_an_sdk_puts_it() {
        for (name, value) in [
            ("authorization", "Bearer isk-1"),
            ("authorization", "bearer  isk-1"),
            ("x-api-key", "isk-1"),
            ("x-goog-api-key", "isk-1"),
        ] {
            assert_eq!(presented_in(name, value).as_deref(), Some("isk-1"), "{name}: {value}");
        }
        assert_eq!(presented_in("authorization", "Basic isk-1"), None);
        assert_eq!(presented_in("authorization", "Bearer "), None);
    }
}
