//! `keeper:` and `url:`, which sections have that gateways may share.

use isthmus_inference::secret::Secret;

use crate::reader::{Fields, Value};
use crate::settings::keeper::Keeper;

/// Who keeps it: this process, where nothing is written.
pub(super) fn keeper(fields: &mut Fields<'_, '_>) -> Keeper {
    let url = fields.get("url");
    let redis = fields.get("keeper").and_then(|keeper| {
        keeper.word(&[("local", false), ("redis", true)]).map(|redis| (keeper, redis))
    });
    match (redis, url) {
        (Some((_, true)), Some(url)) => {
            return address(&url).map_or(Keeper::Local, |url| Keeper::Redis { url });
        }
        (Some((keeper, true)), None) => {
            keeper.refuse::<()>("`url` is missing: where Redis is, such as `redis://127.0.0.1`");
        }
        (_, Some(url)) => {
            url.refuse_field::<()>("only `keeper: redis` has an address");
        }
        (_, None) => {}
    }
    Keeper::Local
}

fn address(value: &Value<'_>) -> Option<Secret> {
    let url = value.secret()?;
    let known = ["redis://", "rediss://"].iter().any(|scheme| url.expose().starts_with(scheme));
    if known && url::Url::parse(url.expose()).is_ok_and(|url| url.has_host()) {
        return Some(url);
    }
    value.refuse("expected an address such as `redis://127.0.0.1:6379`, or `rediss://…` with TLS")
}
