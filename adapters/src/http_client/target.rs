//! Where requests can be sent, checked and made ready once, so that a request only refers to it.

use std::sync::Arc;

use http::{HeaderValue, Uri};
use url::Url;

use super::connect;

/// Where requests can be sent, checked and parsed once.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    url: Url,
    /// The whole of it, as HTTP/2 and proxies are told it.
    pub(super) uri: Uri,
    /// What HTTP/1 calls it on a connection to its very host: path and query.
    pub(super) path: Uri,
    /// The `host` header.
    pub(super) host: HeaderValue,
    /// Whose connections serve it.
    pub(super) origin: Origin,
    /// What the proxy on the way to it asks for, where requests go to the proxy itself.
    pub(super) proxy_credential: Option<HeaderValue>,
}

/// A scheme, host and port: what connections are kept by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Origin(Arc<str>);

// === impl Target ===

impl Target {
    /// The URL made of a base and what is appended to it.
    pub(crate) fn new(base: &str, path: &str) -> Result<Self, String> {
        let mut url = checked(base)?;
        url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
        Self::of(url)
    }

    /// This very URL, its query and a slash at its end included.
    pub(crate) fn exactly(base: &str) -> Result<Self, String> {
        Self::of(checked(base)?)
    }

    fn of(url: Url) -> Result<Self, String> {
        let uri = Uri::try_from(url.as_str()).map_err(|error| error.to_string())?;
        let (Some(authority), Some(path)) = (uri.authority(), uri.path_and_query()) else {
            return Err(format!("`{url}` names no host"));
        };
        // `url` has left out the port where it is the scheme's own, as the header should.
        let host = HeaderValue::from_str(authority.as_str()).map_err(|error| error.to_string())?;
        let path = Uri::from(path.clone());
        let origin = Origin(format!("{}://{authority}", url.scheme()).into());
        let proxy_credential = connect::proxy_credential(&uri);
        Ok(Self { url, uri, path, host, origin, proxy_credential })
    }

    /// The same with one more pair in its query.
    pub(crate) fn with_query(mut self, name: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(name, value);
        // A URL that could be sent still can: what was appended is percent-encoded.
        if let Ok(uri) = Uri::try_from(self.url.as_str()) {
            self.path = uri.path_and_query().cloned().map_or(self.path, Uri::from);
            self.uri = uri;
        }
        self
    }

    /// The URL as it is sent.
    pub(crate) fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// The host alone.
    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Like `host:443`.
    pub(crate) fn host_and_port(&self) -> String {
        let port = self.url.port_or_known_default().unwrap_or_default();
        format!("{}:{port}", self.host())
    }

    /// Whether both are at one scheme, host and port, so that a credential for one may go to the
    /// other.
    pub(crate) fn same_origin(&self, other: &Self) -> bool {
        self.url.origin() == other.url.origin()
    }

    /// Where a `Location` in an answer from here points; it may leave out all but a path.
    pub(crate) fn redirected(&self, location: &str) -> Result<String, String> {
        self.url.join(location).map(String::from).map_err(|error| error.to_string())
    }
}

/// The URL, unless requests cannot or should not be sent there.
fn checked(base: &str) -> Result<Url, String> {
    // What holds an `@` may hold a password, which is never shown.
    let shown = if base.contains('@') { "the URL".to_owned() } else { format!("`{base}`") };
    let mut url = Url::parse(base).map_err(|error| format!("{shown}: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(format!("{shown} is not an http:// or https:// URL"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let message = "a URL must not hold a user name or password; use `api_key` or `headers`";
        return Err(message.to_owned());
    }
    url.set_fragment(None);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_whole_web_address() {
        let target = Target::new("http://host:1/v1/", "/models").unwrap();
        assert_eq!(target.url.as_str(), "http://host:1/v1/models");
        for base in ["", "host:1/v1", "ftp://host", "http://", "unix:/socket"] {
            let message = Target::new(base, "/models").unwrap_err();
            assert!(message.contains(&format!("`{base}`")), "{message}");
        }
    }

    #[test]
    fn an_exact_target_is_left_as_it_is() {
        for url in ["http://h:1/a/", "http://h/a?b=c%20d", "http://h/model/v1%3A0/converse"] {
            assert_eq!(Target::exactly(url).unwrap().as_str(), url);
        }
    }

    #[test]
    fn a_request_names_its_host_without_the_usual_port_and_its_path_alone() {
        for (url, host, path) in [
            ("http://h:1/a?b=c", "h:1", "/a?b=c"),
            ("http://h:80", "h", "/"),
            ("https://H:443/a", "h", "/a"),
            ("https://h:80/a", "h:80", "/a"),
            ("http://[::1]:1/a", "[::1]:1", "/a"),
        ] {
            let target = Target::exactly(url).unwrap();
            assert_eq!(
                (target.host.to_str().unwrap(), target.path.to_string().as_str()),
                (host, path)
            );
        }
    }

    #[test]
    fn what_is_added_to_a_query_is_sent() {
        let target = Target::exactly("http://h/a").unwrap().with_query("b", "c&d");
        let target = target.with_query("e", "f");
        assert_eq!(target.uri, "http://h/a?b=c%26d&e=f");
        assert_eq!(target.path, "/a?b=c%26d&e=f");
        assert_eq!(target.as_str(), "http://h/a?b=c%26d&e=f");
    }

    #[test]
    fn an_origin_is_no_prefix() {
        let hub = Target::new("https://hub.co", "").unwrap();
        for (url, same) in [
            ("https://hub.co/a/b?c", true),
            ("https://HUB.co:443/", true),
            ("http://hub.co/", false),
            ("https://hub.co.evil.net/", false),
            ("https://hub.co:8443/", false),
            ("https://hub.com/", false),
        ] {
            let target = Target::new(url, "").unwrap();
            assert_eq!(hub.same_origin(&target), same, "{url}");
            assert_eq!(hub.origin == target.origin, same, "{url}");
        }
    }

    #[test]
    fn a_redirect_may_leave_out_the_host() {
        let from = Target::new("http://h:1/a/b", "").unwrap();
        assert_eq!(from.redirected("/c?d").unwrap(), "http://h:1/c?d");
        assert_eq!(from.redirected("//cdn/x").unwrap(), "http://cdn/x");
        assert_eq!(from.redirected("https://cdn/x").unwrap(), "https://cdn/x");
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_not_shown() {
        for base in ["https://user:pw-x@host/v1", "ftp://user:pw-x@host", "user :pw-x@host"] {
            let message = Target::new(base, "/models").unwrap_err();
            assert!(!message.contains("pw-x"), "{message}");
        }
        let message = Target::new("https://user:pw-x@host/v1", "").unwrap_err();
        assert!(message.contains("`api_key`"), "{message}");
        assert!(Target::new("https://host/a@b", "").is_ok(), "in a path it is a plain character");
    }
}
