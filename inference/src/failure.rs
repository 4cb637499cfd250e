//! What went wrong, in few words: a kind, who is to blame, and whether another try could help.
//!
//! A failure has two texts for two readers: `message` goes to the caller and says what to do,
//! `detail` goes to the log. It becomes HTTP in one place only (`gateway/src/http/render.rs`).

use std::time::Duration;

use bytes::Bytes;

/// An exchange, or one attempt of it, that did not succeed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{kind:?}: {message}")]
pub struct Failure {
    /// What happened.
    pub kind: Kind,
    /// Whose doing it was.
    pub blame: Blame,
    /// Whether another try could help.
    pub retry: Retry,
    /// For the caller: what was wrong, where, what to do. Never a secret, never an address of the house.
    pub message: String,
    /// For the log.
    pub detail: Option<String>,
    /// The request field at fault, as OpenAI's `param`.
    pub param: Option<String>,
    /// How long the endpoint asked to be left alone.
    pub retry_after: Option<Duration>,
    /// The upstream's own words, where it spoke.
    pub upstream: Option<Box<UpstreamError>>,
}

/// An upstream's own error, kept as it came.
#[derive(Debug, Clone)]
pub struct UpstreamError {
    /// Its HTTP status.
    pub status: u16,
    /// Its body, in whatever shape the provider uses; bounded by the adapter.
    pub body: Bytes,
    /// Its request id, for the provider's support desk.
    pub request_id: Option<String>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request cannot be understood or its values are out of range.
    InvalidRequest,
    /// The request is larger than the house takes in.
    TooLarge,
    /// The prompt and the answer do not fit the model's context window.
    ContextLength,
    /// No key, or an unknown, expired or revoked one.
    Unauthenticated,
    /// A known key that may not do this.
    Forbidden,
    /// No policy permits any endpoint to have this request.
    PolicyDenied,
    /// No such model or path.
    NotFound,
    /// Too many requests or tokens per time, here or at the endpoint.
    RateLimited,
    /// A budget or credit is used up; waiting does not help.
    QuotaExhausted,
    /// The endpoint (or the engine's queue) has no room at the moment.
    Overloaded,
    /// The provider refused the content.
    ContentFilter,
    /// A phase took longer than allowed.
    Timeout,
    /// No connection, or one that broke.
    Unreachable,
    /// The endpoint answered something that is no answer, or stopped in the middle.
    Malformed,
    /// The provider reported a failure of its own.
    ProviderError,
    /// The house's own credential was refused by the provider.
    UpstreamAuth,
    /// The endpoint cannot do what was asked.
    Unsupported,
    /// A defect in this program.
    Internal,
}

/// Whose doing it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The one who asked.
    Caller,
    /// The one who should have answered.
    Provider,
    /// This program or its operator.
    House,
}

/// Whether another try could help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// The same request fails everywhere.
    Never,
    /// Another endpoint may do better; this one will not.
    Elsewhere,
    /// This endpoint may do better after a moment; so may another at once.
    Later,
}

// === impl Kind ===

impl Kind {
    /// The word for logs, metrics and error codes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::TooLarge => "request_too_large",
            Self::ContextLength => "context_length_exceeded",
            Self::Unauthenticated => "invalid_api_key",
            Self::Forbidden => "permission_denied",
            Self::PolicyDenied => "policy_denied",
            Self::NotFound => "not_found",
            Self::RateLimited => "rate_limit_exceeded",
            Self::QuotaExhausted => "insufficient_quota",
            Self::Overloaded => "overloaded",
            Self::ContentFilter => "content_filter",
            Self::Timeout => "timeout",
            Self::Unreachable => "upstream_unreachable",
            Self::Malformed => "upstream_malformed",
            Self::ProviderError => "upstream_error",
            Self::UpstreamAuth => "upstream_auth_failed",
            Self::Unsupported => "unsupported",
            Self::Internal => "internal_error",
        }
    }

    /// Who is to blame and whether to try again, unless the case says otherwise.
    const fn usual(self) -> (Blame, Retry) {
        match self {
            Self::InvalidRequest
            | Self::TooLarge
            | Self::Unauthenticated
            | Self::Forbidden
            | Self::PolicyDenied
            | Self::NotFound => (Blame::Caller, Retry::Never),
            // A larger window, another filter, or another feature set may exist elsewhere.
            Self::ContextLength | Self::Unsupported | Self::ContentFilter => {
                (Blame::Caller, Retry::Elsewhere)
            }
            Self::RateLimited | Self::Overloaded | Self::Unreachable | Self::ProviderError => {
                (Blame::Provider, Retry::Later)
            }
            Self::QuotaExhausted | Self::Timeout | Self::Malformed => {
                (Blame::Provider, Retry::Elsewhere)
            }
            Self::UpstreamAuth => (Blame::House, Retry::Elsewhere),
            Self::Internal => (Blame::House, Retry::Never),
        }
    }
}

// === impl Failure ===

impl Failure {
    /// A failure of this kind with its usual blame and retry.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        let (blame, retry) = kind.usual();
        Self {
            kind,
            blame,
            retry,
            message: message.into(),
            detail: None,
            param: None,
            retry_after: None,
            upstream: None,
        }
    }

    /// A request that is wrong in the named field.
    pub fn invalid(param: &str, message: impl Into<String>) -> Self {
        let failure = Self::new(Kind::InvalidRequest, message);
        if param.is_empty() { failure } else { failure.with_param(param) }
    }

    /// The HTTP status that makes the official SDKs raise the right exception. An upstream's own error
    /// keeps its status, but for 401 and 403: the caller would take them for his own credential's.
    pub fn status(&self) -> u16 {
        if let Some(upstream) = &self.upstream
            && !(self.kind == Kind::UpstreamAuth && matches!(upstream.status, 401 | 403))
            && (400..600).contains(&upstream.status)
        {
            return upstream.status;
        }
        match self.kind {
            Kind::InvalidRequest
            | Kind::ContextLength
            | Kind::ContentFilter
            | Kind::Unsupported => 400,
            Kind::Unauthenticated => 401,
            Kind::Forbidden | Kind::PolicyDenied => 403,
            Kind::NotFound => 404,
            Kind::Timeout if self.blame == Blame::Caller => 408,
            Kind::TooLarge => 413,
            Kind::RateLimited | Kind::QuotaExhausted => 429,
            Kind::Internal => 500,
            Kind::Malformed | Kind::ProviderError | Kind::UpstreamAuth => 502,
            Kind::Overloaded | Kind::Unreachable => 503,
            Kind::Timeout => 504,
        }
    }

    /// Adds what only the log should say.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "whoever hands over an error is done with it"
    )]
    pub fn with_detail(mut self, detail: impl ToString) -> Self {
        self.detail = Some(detail.to_string());
        self
    }

    /// Names the request field at fault.
    #[must_use]
    pub fn with_param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Adds how long to wait.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Lays the blame elsewhere than usual.
    #[must_use]
    pub fn blamed_on(mut self, blame: Blame) -> Self {
        self.blame = blame;
        self
    }

    /// Sets whether another try could help, where that differs from the usual.
    #[must_use]
    pub fn retried(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Keeps the upstream's own words.
    #[must_use]
    pub fn with_upstream(mut self, upstream: UpstreamError) -> Self {
        self.upstream = Some(Box::new(upstream));
        self
    }
}
