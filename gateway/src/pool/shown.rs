//! How an endpoint is told to callers: headers' values, made once.

use http::HeaderValue;

/// An endpoint's names as the values of headers. `None` where there is none, or it has characters that
/// no header can hold (a model's name can).
#[derive(Debug, Clone)]
pub struct Shown {
    /// Its name.
    pub name: Option<HeaderValue>,
    /// The account that it belongs to.
    pub provider: Option<HeaderValue>,
    /// The upstream's name for the model.
    pub model: Option<HeaderValue>,
    /// Where it processes, as far as that is claimed.
    pub region: Option<HeaderValue>,
}

impl Shown {
    /// The values for these names.
    pub(super) fn of(name: &str, provider: &str, model: &str, region: Option<&str>) -> Self {
        let value = |text| HeaderValue::from_str(text).ok();
        Self {
            name: value(name),
            provider: value(provider),
            model: value(model),
            region: region.and_then(value),
        }
    }
}
